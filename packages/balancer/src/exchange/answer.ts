import { headerValue } from '../server/headers.js'

/** A whole answer of an instance, held back until it is complete. */
export interface Answer {
  status: number
  statusText: string
  /** Name, value, … as for the client. */
  headers: string[]
  body: Buffer
}

/** What an instance says when it takes no work, in either error envelope; undefined for any other answer. */
export function declineCode(answer: Answer): 'slots_full' | 'draining' | undefined {
  if (answer.status !== 429 && answer.status !== 503) return undefined
  if (!headerValue(answer.headers, 'content-type')?.startsWith('application/json')) return undefined
  const code = codeIn(answer.body)
  return code === 'slots_full' || code === 'draining' ? code : undefined
}

function codeIn(body: Buffer): unknown {
  try {
    const json = JSON.parse(body.toString('utf8')) as {
      code?: unknown
      error?: { code?: unknown } | string
    } | null
    if (json === null || typeof json !== 'object') return undefined
    return typeof json.error === 'object' ? json.error?.code : json.code
  } catch {
    return undefined
  }
}
