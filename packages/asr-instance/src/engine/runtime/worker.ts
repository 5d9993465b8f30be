import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import * as ort from 'onnxruntime-node'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheNames } from '../compile/cache-graphs.js'
import { LogMelExtractor } from '../features/log-mel.js'
import { TextTokenizer } from '../text/tokenizer.js'
import { BatchScheduler } from './batch-scheduler.js'
import { DecoderRunner } from './decoder-runner.js'
import { DeviceDecoder } from './device-decoder.js'
import { deviceAdvice, deviceFailure } from './device-errors.js'
import { EmbeddingTable } from './embedding-table.js'
import { EncoderRunner } from './encoder-runner.js'
import { LoopDecoder } from './loop-decoder.js'
import { keepOnDevice, OnnxCacheDevice } from './onnx-cache-device.js'
import type { Decoder } from './sequence-cache.js'
import type { FromWorker, ToWorker, WorkerOptions } from './worker-messages.js'

// Inference blocks the thread that asks for it, so it has one of its own; the main thread keeps answering.
const port = parentPort!
const options = workerData as WorkerOptions
const post = (message: FromWorker) => port.postMessage(message)

const { checkpoint, scheduler } = await load().catch(loadFailed)
let running = false

port.on('message', (message: ToWorker) => {
  if (message.type === 'piece') scheduler.add(message)
  else if (message.type === 'cancel') scheduler.cancel(message.id)
  else if (message.type === 'forget') scheduler.forget(message.stream)
  else void close()
  if (!running && !scheduler.idle) void run()
})
post({ type: 'ready' })

async function run(): Promise<void> {
  running = true
  while (!scheduler.idle) {
    try {
      await scheduler.step()
    } catch (error) {
      post({ type: 'device-failed', message: String(error) })
      throw error
    }
    // Lets new pieces and cancellations in between two steps.
    await new Promise(setImmediate)
  }
  running = false
}

/** The process has to say why it ends; the thread cannot. */
function loadFailed(error: unknown): never {
  const failure = deviceFailure(error)
  if (failure) post({ type: 'device-failed', message: `${deviceAdvice[failure]} (${String(error)})` })
  throw error
}

async function close(): Promise<void> {
  await checkpoint.close()
  port.close()
}

async function load() {
  const session = {
    executionProviders: [options.device],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: options.spin ? '1' : '0' } } },
  } as const
  const opened = await Checkpoint.open(options.modelDir)
  const tokenizer = await TextTokenizer.load(options.modelDir)
  post({ type: 'loading', ratio: 0, detail: 'loading the encoder' })
  const encoder = await ort.InferenceSession.create(options.encoderPath, session)
  post({ type: 'loading', ratio: 0.3, detail: 'loading the decoder' })
  const { text, audio, eosTokenIds } = opened.config
  // The released generation configs list both; a folder without the file ends its turns the same way.
  const ends = eosTokenIds.length
    ? eosTokenIds
    : [tokenizer.controlId('<|endoftext|>'), tokenizer.controlId('<|im_end|>')]
  const decoder = await openDecoder(text, session, ends)
  const built = new BatchScheduler({
    model: {
      mel: new LogMelExtractor(),
      encoder: new EncoderRunner(encoder, text.hidden, audio.windowTokens),
      decoder,
      embeddings: new EmbeddingTable(opened),
      hidden: text.hidden,
    },
    slots: options.slots,
    eosTokenIds: ends,
    random: Math.random,
    now: () => performance.now() / 1000,
    post,
  })
  return { checkpoint: opened, scheduler: built }
}

async function openDecoder(
  text: ModelConfig['text'],
  session: ort.InferenceSession.SessionOptions,
  ends: readonly number[],
): Promise<Decoder> {
  if (options.device === 'cpu') {
    return new DecoderRunner(await ort.InferenceSession.create(options.decoderPath, session), text)
  }
  if (options.device === 'cuda') {
    const decoder = await ort.InferenceSession.create(options.decoderPath, session)
    return new LoopDecoder(decoder, text, options.precision, ends)
  }
  const presents = cacheNames(text).map(({ name }) => `present_${name}`)
  const decoder = await ort.InferenceSession.create(options.decoderPath, keepOnDevice(session, presents))
  return new DeviceDecoder(decoder, text, await OnnxCacheDevice.create(text, options.precision, session))
}
