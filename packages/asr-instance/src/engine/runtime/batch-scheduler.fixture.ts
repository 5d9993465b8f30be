import { LogMelExtractor } from '../features/log-mel.js'
import { BatchScheduler, type SchedulerOptions } from './batch-scheduler.js'
import { KvCache } from './kv-cache.js'
import type { PreparationModel } from './preparation.js'
import type { DecoderOutput } from './sequence-cache.js'
import type { FromWorker, PieceRequest } from './worker-messages.js'

const eos = 0
export const countdownShape = { layers: 1, kvHeads: 1, headDim: 1 }

/**
 * A model whose answer is countdown: a piece whose prompt token is n says n, n-1, … and ends. The "embedding" of a
 * token is the token itself, so a row can only continue rightly from its own last token.
 */
export function countdownModel(onDecode: (rows: number) => void = () => {}): PreparationModel {
  return {
    mel: new LogMelExtractor(),
    encoder: {
      windowCount: () => 0,
      settledFrames: () => undefined,
      encode: () => Promise.reject(new Error('no audio here')),
    },
    decoder: {
      newCache: (rows) => new KvCache(countdownShape, { format: 'float32', mostRows: rows }),
      step: async (cache: KvCache, embeds: Float32Array, tokens: number): Promise<DecoderOutput> => {
        const rows = cache.rows
        if (tokens === 1 && rows > 0) onDecode(rows)
        const slice = new Float32Array(rows * tokens)
        cache.append([slice, slice], tokens)
        const last = Array.from({ length: rows }, (_, row) => embeds[(row + 1) * tokens - 1]!)
        if (last.includes(666)) throw new Error('out of memory')
        return { tokens: last.map((token) => token - 1), logprobs: last.map(() => -0.5), logits: undefined }
      },
    },
    embeddings: { rows: (tokens) => Float32Array.from(tokens) },
    hidden: 1,
  }
}

export function piece(id: number, countFrom: number, maxNewTokens = 100): PieceRequest {
  // One prompt token more, so that a prefill is not mistaken for a decode step.
  return {
    id,
    samples: new Float32Array(8000),
    before: [99, countFrom],
    after: [],
    maxNewTokens,
    temperature: 0,
  }
}

export function setUp(
  slots: number,
  model = countdownModel(),
  now = () => 0,
  more: Pick<SchedulerOptions, 'reload' | 'helpers'> = {},
) {
  const messages: FromWorker[] = []
  const scheduler = new BatchScheduler({
    model,
    slots,
    eosTokenIds: [eos],
    random: () => 0.5,
    now,
    post: (message) => messages.push(message),
    ...more,
  })
  const tokensOf = (id: number) =>
    messages.flatMap((message) => (message.type === 'tokens' && message.id === id ? message.tokens : []))
  const end = (id: number) =>
    messages.find((message) => 'id' in message && message.id === id && message.type !== 'tokens')
  const drain = async () => {
    for (let i = 0; !scheduler.idle; i++) {
      if (i > 10_000) throw new Error('the scheduler never becomes idle')
      await scheduler.step()
    }
  }
  return { scheduler, messages, tokensOf, end, drain }
}

export const countdown = (from: number) => Array.from({ length: from - 1 }, (_, i) => from - 1 - i)
