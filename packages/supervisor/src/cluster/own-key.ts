import { randomBytes } from 'node:crypto'
import { hashApiKey } from '@asr-cluster/protocol'

/** The key by which the supervisor's own requests pass the balancer; another one in each run, and never written down. */
export const ownApiKey = randomBytes(32).toString('base64url')

/** Hashes of all that the balancer lets in; an open cluster stays open. */
export function letIn(apiKeyHashes: readonly string[]): string[] {
  return apiKeyHashes.length === 0 ? [] : [...apiKeyHashes, hashApiKey(ownApiKey)]
}
