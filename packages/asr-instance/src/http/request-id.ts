import { randomUUID } from 'node:crypto'

/** A client's own id is kept if it is short and harmless in a log line and a header. */
export function requestIdFor(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : randomUUID()
}
