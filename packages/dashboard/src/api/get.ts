import { authorization } from './api-key.js'

/** The server wants a key, or another one. */
export class KeyNeededError extends Error {
  override name = 'KeyNeededError'
}

/** An answer that has not come by then is no news any more. */
const timeoutMs = 5_000

/** Body of a GET. Throws KeyNeededError on 401, Error on any other failure. */
export async function get(path: string): Promise<Response> {
  const response = await fetch(path, {
    headers: authorization(),
    cache: 'no-store',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (response.status === 401) throw new KeyNeededError('the server wants a key')
  if (!response.ok) throw new Error(`${path} answers ${response.status}`)
  return response
}
