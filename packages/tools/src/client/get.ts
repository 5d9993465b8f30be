import { Agent, request } from 'undici'
import { pinnedTls } from './pinned-certificate.js'

export interface GetAnswer {
  status: number
  text: string
}

/**
 * A GET with the certificate that was pinned. Not `fetch`, which refuses ports that browsers do, such as 6000 and 10080, and
 * tells its faults only as "fetch failed". Rejects with the error of the connection, or with the signal's reason.
 */
export async function get(
  url: string,
  { headers, signal }: { headers: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<GetAnswer> {
  const dispatcher = new Agent({ connect: { ...pinnedTls(url) }, pipelining: 0 })
  const { statusCode, body } = await request(url, { headers, signal, dispatcher })
  return { status: statusCode, text: await body.text() }
}

/** Why nobody answered, in a word or a few: `ECONNREFUSED`, `nothing came in time`. */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Its code is a number.
  if (error.name === 'TimeoutError') return 'nothing came in time'
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : error.message
}
