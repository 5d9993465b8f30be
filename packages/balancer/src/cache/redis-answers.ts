import { createClient, RESP_TYPES } from '@redis/client'
import type { Logger } from 'pino'
import type { Answer } from '../exchange/answer.js'
import { decodeAnswer, encodeAnswer, formatVersion } from './answer-format.js'
import type { AnswerShelf } from './answer-shelf.js'

const prefix = `asr-cluster:answer:${formatVersion}:`
/** An answer that nobody asked for in this time goes, also where the server has no limit of its own. */
const lifetimeSeconds = 7 * 24 * 3600
/** A server slower than this is no help. */
const commandTimeoutMs = 500
const connectTimeoutMs = 2_000
const slowestRetryMs = 5_000

/**
 * Answers in a Redis server, which several balancers share. It is connected to in the background, and again whenever it
 * was gone; meanwhile nothing is found there. `url` is `redis://`, `rediss://` or `unix://`. Throws TypeError for
 * another one.
 */
export function redisAnswers(url: string, log: Logger): AnswerShelf {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandOptions: { timeout: commandTimeoutMs, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    socket: {
      connectTimeout: connectTimeoutMs,
      reconnectStrategy: (retries) => Math.min(100 * 2 ** Math.min(retries, 10), slowestRetryMs),
    },
  })
  let isTold = false
  client.on('error', (error: Error) => {
    // Each attempt fails once more; one line says it.
    if (!isTold) log.warn({ reason: error.message }, 'answers are not shared: no connection to Redis')
    isTold = true
  })
  client.on('ready', () => {
    isTold = false
    log.info('answers are shared through Redis')
  })
  client.connect().catch(() => undefined)
  return {
    async get(key) {
      try {
        const bytes = await client.getEx(prefix + key, { type: 'EX', value: lifetimeSeconds })
        return bytes === null ? undefined : decodeAnswer(bytes)
      } catch {
        return undefined
      }
    },
    async set(key: string, answer: Answer) {
      try {
        const expiration = { type: 'EX', value: lifetimeSeconds } as const
        await client.set(prefix + key, encodeAnswer(answer), { expiration })
      } catch {
        // The next one with this request will try again.
      }
    },
    close: () => client.destroy(),
  }
}
