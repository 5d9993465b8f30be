import { ConfigError, MachineMismatchError } from '../config/config-error.js'
import { cliExit, UsageError } from './exit-codes.js'
import type { Output } from './output.js'

/** Says what went wrong in a command; returns the exit code. */
export function explainError(error: unknown, output: Pick<Output, 'complain'>): number {
  if (error instanceof ConfigError) {
    output.complain(error.message)
    return cliExit.configuration
  }
  const message = error instanceof Error ? error.message : String(error)
  output.complain(`asr-cluster: ${message}`)
  if (error instanceof MachineMismatchError) return cliExit.configuration
  if (!(error instanceof UsageError)) return cliExit.failed
  output.complain('See `asr-cluster --help`.')
  return cliExit.usage
}
