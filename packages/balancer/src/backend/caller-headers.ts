import { callerHeader, callerProof, type Member } from '@asr-cluster/protocol'

/** What a request of ours to this member carries, so that an instance which answers nobody else answers us. */
export function callerHeadersFor({ marks, identity }: Member): Record<string, string> {
  return marks === true && identity !== undefined ? { [callerHeader]: callerProof(identity) } : {}
}
