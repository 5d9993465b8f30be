import { errorCatalogue } from '@asr-cluster/protocol'
import type { AsrError } from '@asr-cluster/protocol'

/** The command was called in a wrong way. */
export class ToolUsageError extends Error {
  override name = 'ToolUsageError'
}

/** What was asked for cannot be done. `message` says what happened, `help` what to do about it. */
export class ToolError extends Error {
  override name = 'ToolError'
  /** Stable, for scripts; of the error catalogue where a server refused. */
  readonly code: string
  readonly help: string

  constructor(code: string, message: string, options: { help?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.help = options.help ?? ''
  }
}

/** Lines for standard error: what, with its code, and below it what to do. */
export function describeError(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)]
  const { code, help } = error instanceof ToolError ? error : catalogued(error)
  if (code === '') return [error.message]
  return [`${error.message} (${code})`, ...(help === '' ? [] : [`  ${help}`])]
}

/**
 * The engine in this process throws what a server would have answered. By its name: the engine has a copy of the class of
 * its own.
 */
function catalogued(error: Error): { code: string; help: string } {
  const { name, code } = error as Partial<AsrError>
  if (name !== 'AsrError' || code === undefined || !Object.hasOwn(errorCatalogue, code))
    return { code: '', help: '' }
  return { code, help: errorCatalogue[code].help }
}
