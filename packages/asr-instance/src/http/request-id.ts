import { randomUUID } from 'node:crypto'
import { isRequestId } from '@asr-cluster/protocol'

/** The client's own id if it may be kept, else a new one. */
export function requestIdFor(header: string | string[] | undefined): string {
  return isRequestId(header) ? header : randomUUID()
}
