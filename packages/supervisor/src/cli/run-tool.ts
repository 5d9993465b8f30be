import { describeError, ToolError, ToolUsageError } from '@asr-cluster/tools/common'
import type { CliContext } from './context.js'
import { cliExit, UsageError } from './exit-codes.js'

/** Runs a tool and turns what it throws into what `asr-cluster` says and ends with. */
export async function runTool({ output }: CliContext, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof ToolUsageError) throw new UsageError(error.message)
    const isConfiguration = isConfigurationError(error)
    if (!(error instanceof ToolError || isConfiguration)) throw error
    const [first, ...rest] = describeError(error)
    for (const line of [`asr-cluster: ${first}`, ...rest]) output.complain(line)
    return isConfiguration ? cliExit.configuration : cliExit.failed
  }
}

/** By name, because the class would load the engine. */
function isConfigurationError(error: unknown): boolean {
  return error instanceof Error && ['CheckpointError', 'ConfigurationError'].includes(error.name)
}

/** Throws UsageError unless the flag's value is a whole number, of `min` or more. */
export function checkCount(flag: string, value: number, min = 1): void {
  if (!Number.isInteger(value) || value < min)
    throw new UsageError(`--${flag} must be a whole number from ${min}`)
}
