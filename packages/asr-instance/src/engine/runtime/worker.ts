import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import { FeatureThreads, featureThreadCount } from '../features/feature-threads.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { TextTokenizer } from '../text/tokenizer.js'
import { BatchScheduler } from './batch-scheduler.js'
import { deviceAdvice, deviceFailure } from './device-errors.js'
import { openModel } from './open-model.js'
import { collectGarbage } from './collect-garbage.js'
import type { CacheShape } from './kv-cache.js'
import { preparesTogether } from './prepare-together.js'
import { helperPlan, PreparationHelpers } from './preparation-helpers.js'
import { tokenTables } from './row-table.js'
import type { FromWorker, ModelPlace, ToWorker, WorkerOptions } from './worker-messages.js'

// Inference blocks the thread that asks for it, so it has one of its own; the main thread keeps answering.
const port = parentPort!
const options = workerData as WorkerOptions
const post = (message: FromWorker) => port.postMessage(message)
const now = () => performance.now() / 1000

const { checkpoint, scheduler, helpers } = await load().catch(loadFailed)
let running = false
let closing = false
/** After this long without work memory for it is given back, and threads that started for it end. */
const keepMemoryMs = 10_000
const keepHelpersMs = 60_000
let idleTimers: NodeJS.Timeout[] = []

port.on('message', (message: ToWorker) => {
  if (message.type === 'piece') scheduler.add(message)
  else if (message.type === 'cancel') scheduler.cancel(message.id)
  else if (message.type === 'forget') scheduler.forget(message.stream)
  else {
    closing = true
    if (!running) void close()
  }
  if (!running && !closing && !scheduler.idle) void run()
})
post({ type: 'ready' })

async function run(): Promise<void> {
  running = true
  for (const timer of idleTimers) clearTimeout(timer)
  while (!scheduler.idle && !closing) {
    try {
      await scheduler.step()
    } catch (error) {
      // Not thrown: that would be told on another way, and might arrive before the message that says what it means.
      return post({ type: 'device-failed', message: String(error) })
    }
    // Lets new pieces and cancellations in between two steps.
    await new Promise(setImmediate)
  }
  running = false
  if (closing) return close()
  const rest = () => {
    scheduler.releaseMemory()
    helpers?.releaseMemory()
    collectGarbage()
  }
  idleTimers = [
    setTimeout(rest, keepMemoryMs).unref(),
    setTimeout(() => void helpers?.stop(), keepHelpersMs).unref(),
  ]
}

/** The process has to say why it ends; the thread cannot. */
function loadFailed(error: unknown): never {
  const failure = deviceFailure(error)
  if (!failure) throw error
  post({ type: 'device-failed', message: `${deviceAdvice[failure]} (${String(error)})` })
  // Ends the thread, after its messages.
  return process.exit(1)
}

async function close(): Promise<void> {
  await helpers?.stop()
  await checkpoint.close()
  process.exit()
}

/** A GPU's thread has no time for it; a processor's cores are busy anyway. */
function featureExtractor(): LogMelExtractor | FeatureThreads {
  if (options.device === 'cpu') return new LogMelExtractor()
  return new FeatureThreads(featureThreadCount(availableParallelism()))
}

function preparationHelpers(shape: CacheShape): PreparationHelpers {
  const { count, threads } = helperPlan(options.threads, options.slots)
  const place: ModelPlace = { ...options, threads }
  const start = () => new Worker(new URL('./preparation-worker.js', import.meta.url), { workerData: place })
  return new PreparationHelpers({ count, start, shape, fromSeconds: options.sideBySideFromSeconds, now })
}

async function load() {
  const opened = await Checkpoint.open(options.modelDir)
  const tokenizer = await TextTokenizer.load(options.modelDir)
  const { text, eosTokenIds } = opened.config
  // The released generation configs list both; a folder without the file ends its turns the same way.
  const ends = eosTokenIds.length
    ? eosTokenIds
    : [tokenizer.controlId('<|endoftext|>'), tokenizer.controlId('<|im_end|>')]
  const onLoading = (ratio: number, detail: string) => post({ type: 'loading', ratio, detail })
  const { embeddings, head } = tokenTables(opened)
  const open = () => openModel({ place: options, config: opened.config, head, ends, onLoading })
  let model = await open()
  const helpers = options.device === 'cpu' ? preparationHelpers(text) : undefined
  const built = new BatchScheduler({
    model: {
      mel: featureExtractor(),
      ...preparesTogether(model),
      embeddings,
      hidden: text.hidden,
    },
    slots: options.slots,
    eosTokenIds: ends,
    random: Math.random,
    now,
    post,
    ...(options.device === 'webgpu' ? { reload } : {}),
    ...(helpers ? { helpers } : {}),
  })
  async function reload() {
    // The device and all that is on it go with its last session.
    await model.release()
    model = await open()
    return preparesTogether(model)
  }
  return { checkpoint: opened, scheduler: built, helpers }
}
