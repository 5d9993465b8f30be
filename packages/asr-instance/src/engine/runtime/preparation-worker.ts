import { parentPort, workerData } from 'node:worker_threads'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { ArrayPool } from './array-pool.js'
import { collectGarbage } from './collect-garbage.js'
import type { KvCache } from './kv-cache.js'
import { openModel } from './open-model.js'
import { prepareRow, type PreparedRow } from './preparation.js'
import { tokenTables } from './row-table.js'
import type { FromHelper, ModelPlace, Stage, ToHelper } from './worker-messages.js'

// Prepares pieces beside its like (preparation-helpers.ts), each with its own threads.
const port = parentPort!
const options = workerData as ModelPlace
const pool = new ArrayPool()
const checkpoint = await Checkpoint.open(options.modelDir)
const { config } = checkpoint
const { embeddings, head } = tokenTables(checkpoint)
const { encoder, decoder } = await openModel({ place: options, config, head, ends: [], pool })
const model = {
  mel: new LogMelExtractor(),
  encoder,
  decoder,
  embeddings,
  hidden: config.text.hidden,
}
let piece: { id: number; steps: AsyncGenerator<Stage, PreparedRow> } | undefined
let alone = true

port.on('message', (message: ToHelper) => {
  if (message.type === 'begin') {
    const { request } = message
    piece = { id: request.id, steps: prepareRow(model, request, () => alone) }
  } else if (message.type === 'drop') {
    if (message.id === piece?.id) void piece.steps.return(undefined as never)
  } else if (message.type === 'give') pool.give(message.arrays)
  else if (message.type === 'release') {
    // Empties the pool, too.
    decoder.releaseMemory?.()
    collectGarbage()
  } else if (message.type === 'close') process.exit()
  else {
    alone = message.alone
    void next(message.id)
  }
})
answer({ type: 'ready' })

async function next(id: number): Promise<void> {
  try {
    if (piece?.id !== id) throw new Error(`piece ${id} is not the one that was begun`)
    const { done, value } = await piece.steps.next()
    if (!done) return answer({ type: 'step', stage: value })
    const { cache, first, promptTokens } = value
    const row = (cache as KvCache).detach()
    const buffers = row.data.map(({ buffer }) => buffer as ArrayBuffer)
    answer({ type: 'done', row, first, promptTokens }, buffers)
  } catch (error) {
    answer({ type: 'failed', message: String(error) })
  }
}

function answer(message: FromHelper, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}
