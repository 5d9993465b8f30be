import { exitCodes } from '@asr-cluster/protocol'

/** What `asr-cluster` ends with. */
export const cliExit = { ok: 0, failed: 1, usage: 2, configuration: exitCodes.configuration } as const

/** The command was called in a wrong way; exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}
