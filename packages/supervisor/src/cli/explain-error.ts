import { describeError, ToolError, ToolUsageError } from '@asr-cluster/tools/common'
import { ConfigError, MachineMismatchError } from '../config/config-error.js'
import { cliExit, UsageError } from './exit-codes.js'
import type { Output } from './output.js'

/** Says what went wrong in a command; returns the exit code. */
export function explainError(error: unknown, output: Pick<Output, 'complain'>): number {
  if (error instanceof ConfigError) {
    output.complain(error.message)
    return cliExit.configuration
  }
  const [first, ...rest] = describeError(error)
  for (const line of [`asr-cluster: ${first}`, ...rest]) output.complain(line)
  if (isConfiguration(error)) return cliExit.configuration
  if (!(error instanceof UsageError || error instanceof ToolUsageError)) return cliExit.failed
  output.complain('See `asr-cluster --help`.')
  return cliExit.usage
}

/** The same for a command that prints JSON: its reader finds an object that is not `ok`. */
export function errorJson(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return JSON.stringify({
    ok: false,
    message,
    ...(error instanceof ToolError ? { code: error.code } : {}),
    ...(error instanceof ConfigError ? { file: error.file, problems: error.problems } : {}),
  })
}

/** The engine's by name, because their classes would load it. */
function isConfiguration(error: unknown): boolean {
  if (error instanceof MachineMismatchError) return true
  return error instanceof Error && ['CheckpointError', 'ConfigurationError'].includes(error.name)
}
