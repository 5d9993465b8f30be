import { createHash, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { Agent, request } from 'undici'

export interface CountedLoad {
  sent: () => number
  /** One line for each request that was not answered with the hash of its own body. */
  failures: string[]
  perInstance: Map<string, number>
  /** Longest time from sending to the whole answer. */
  longestMs: () => number
  done: Promise<void>
}

/** `requests` in all, by clients that each send one after the other, until `enough` says so if that is later. */
export function startCountedLoad(
  url: string,
  options: { requests: number; clients: number; bodyBytes?: number; enough?: () => boolean },
): CountedLoad {
  const { requests, clients, bodyBytes = 20_000, enough = () => true } = options
  const dispatcher = new Agent({ headersTimeout: 90_000, bodyTimeout: 90_000 })
  const failures: string[] = []
  const perInstance = new Map<string, number>()
  let sent = 0
  let longestMs = 0

  async function client(): Promise<void> {
    while (sent < requests || !enough()) {
      sent += 1
      const body = randomBytes(bodyBytes)
      const startedAtMs = performance.now()
      try {
        const answer = await request(`${url}/asr`, { method: 'POST', body, dispatcher })
        const json = (await answer.body.json()) as { text?: string; instance?: string }
        const expected = createHash('sha256').update(body).digest('hex')
        if (answer.statusCode !== 200 || json.text !== expected) {
          failures.push(`${answer.statusCode} ${JSON.stringify(json)}`)
          continue
        }
        const instance = json.instance ?? '(none)'
        perInstance.set(instance, (perInstance.get(instance) ?? 0) + 1)
      } catch (error) {
        failures.push(inspect(error))
      } finally {
        longestMs = Math.max(longestMs, performance.now() - startedAtMs)
      }
    }
  }

  const done = Promise.all(Array.from({ length: clients }, client)).then(() => dispatcher.close())
  return { sent: () => sent, failures, perInstance, longestMs: () => longestMs, done }
}
