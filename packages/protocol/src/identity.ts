import { createHash } from 'node:crypto'

/** Sent with the value 1 by the balancer's and the supervisor's probes: `/health` then shows the identity. */
export const probeHeader = 'x-asr-probe'

/** In every answer of an instance that a supervisor started: the mark of its identity. Taken off by the balancer. */
export const identityHeader = 'x-asr-identity'

/** Tells that an answer is of the instance with this identity, without telling the identity. */
export function identityMark(identity: string): string {
  return createHash('sha256').update(`answer ${identity}`).digest('base64url').slice(0, 16)
}

/** In every request to an instance that a supervisor started: proof that the sender knows its identity. */
export const callerHeader = 'x-asr-caller'

/** Shows to the instance with this identity that it is asked by its supervisor or balancer, without telling the identity. */
export function callerProof(identity: string): string {
  return createHash('sha256').update(`caller ${identity}`).digest('base64url')
}
