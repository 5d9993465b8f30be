import { availableParallelism, cpus, homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { DeviceChoice, Quantization } from '@asr-cluster/protocol'
import type { EngineMetrics } from '../metrics.js'
import { readModelConfig } from './checkpoint/model-config.js'
import { compileModel } from './compile/compile.js'
import { sequenceTokens } from './compile/decoder-graph.js'
import type { Engine, LiveOptions, TranscribeOptions } from './engine.js'
import { listen } from './live/listen.js'
import { chooseDevice, probeProvider, type Device } from './runtime/choose-device.js'
import { EngineWorker } from './runtime/engine-worker.js'
import { maySpin } from './runtime/spinning.js'
import { mostStepsPerRun } from './runtime/steps-per-run.js'
import { readCutRule } from './segment/cut-rule.js'
import { TextTokenizer } from './text/tokenizer.js'
import { checkPrompt, transcribe } from './transcriber.js'

export interface CreateEngineOptions {
  modelDir: string
  /** What clients call the model; the folder's name if not given. */
  modelName?: string
  quantization: Quantization | 'auto'
  /** `auto` unless given. */
  device?: DeviceChoice
  slots: number | 'auto'
  /** Threads of one matrix product. */
  threads: number | 'auto'
  cacheDir: string
  /** Others compute on the same cores, so that threads that wait must not spin. False unless given. */
  sharesCores?: boolean
  /** Pieces that take at least so long to prepare are prepared side by side where several wait. 0.1 unless given. */
  sideBySideFromSeconds?: number
  onProgress: (stage: 'compile' | 'load' | 'warmup', ratio: number, detail: string) => void
  /** Hears what is wrong and was mended. */
  onWarning?: (message: string) => void
  metrics: EngineMetrics
  /** The engine broke after it was ready; the process should end with an error. */
  onFatal: (error: Error) => void
}

/** Compiles (or finds) the model, loads it in its own thread and warms it up. Throws CheckpointError for a bad model. */
export async function createEngine(options: CreateEngineOptions): Promise<Engine> {
  const modelDir = resolve(options.modelDir)
  const { onProgress, metrics } = options
  const { device, reason } = await chooseDevice({
    device: options.device ?? 'auto',
    assignedGpu: process.env['CUDA_VISIBLE_DEVICES'],
    probe: probeProvider,
  })
  onProgress('compile', 0, `computes on ${device} (${reason})`)
  const compiled = await compileModel({
    modelDir,
    cacheDir: options.cacheDir,
    quantization: options.quantization,
    device: device === 'webgpu' ? 'gpu' : device,
    onProgress: (ratio, detail) => onProgress('compile', ratio, detail),
    onWarning: options.onWarning ?? (() => {}),
  })
  const [config, tokenizer, cutRule] = await Promise.all([
    readModelConfig(modelDir),
    TextTokenizer.load(modelDir),
    readCutRule(modelDir),
  ])
  const threads = options.threads === 'auto' ? availableParallelism() : options.threads
  // More rows share each pass over the weights, but each waits longer for its next token.
  const slots = options.slots === 'auto' ? defaultSlots(device, threads) : options.slots
  const worker = await EngineWorker.start({
    modelDir,
    encoderPath: compiled.encoderPath,
    decoderPath: compiled.decoderPath,
    device,
    precision: compiled.precision,
    slots,
    threads,
    sideBySideFromSeconds: options.sideBySideFromSeconds ?? 0.1,
    spin: maySpin({
      available: availableParallelism(),
      total: cpus().length,
      shared: options.sharesCores ?? false,
    }),
    metrics,
    onLoading: (ratio, detail) => onProgress('load', ratio, detail),
    onFatal: options.onFatal,
  })
  const context = {
    worker,
    tokenizer,
    cutRule,
    maxNewTokens: config.maxNewTokens,
    // A row that has ended goes on to the end of its run.
    mostTokens: sequenceTokens(config.text) - mostStepsPerRun,
    maxPiecesAtOnce: Math.max(1, Math.floor(slots / 2)),
  }
  onProgress('warmup', 0, 'first run')
  await transcribe(context, warmUpAudio(), {
    language: null,
    prompt: '',
    temperature: 0,
    maxNewTokens: 2,
    signal: new AbortController().signal,
  })
  onProgress('warmup', 1, 'ready')
  return {
    model: {
      name: options.modelName ?? basename(modelDir),
      quantization: compiled.quantization,
      languages: config.languages,
      executionProvider: device,
    },
    slots,
    get progress() {
      return worker.progress
    },
    transcribe: async (audio: AsyncIterable<Float32Array>, transcribeOptions: TranscribeOptions) => {
      const result = await transcribe(context, audio, transcribeOptions)
      metrics.audioSeconds(result.durationSeconds)
      return result
    },
    checkPrompt: (prompt: string, language: string | null) => checkPrompt(context, prompt, language),
    listen(liveOptions: LiveOptions) {
      const live = listen(context, liveOptions)
      return {
        ...live,
        async finish() {
          const result = await live.finish()
          metrics.audioSeconds(result.durationSeconds)
          return result
        },
      }
    },
    close: () => worker.close(),
  }
}

function defaultSlots(device: Device, threads: number): number {
  if (device !== 'cpu') return 32
  return threads <= 4 ? 4 : 8
}

/** Where compiled models are kept unless told otherwise. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'asr-cluster')
}

/** One second of a quiet tone: sound enough not to be skipped as silence. */
async function* warmUpAudio(): AsyncGenerator<Float32Array> {
  yield Float32Array.from({ length: 16_000 }, (_, i) => 0.01 * Math.sin(i / 10))
}
