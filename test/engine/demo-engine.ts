import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createEngine,
  type CreateEngineOptions,
  type Engine,
  type Transcription,
} from '@asr-cluster/asr-instance'
import type { Quantization } from '@asr-cluster/protocol'
import { demoModelDir } from './eval-set.ts'

export interface DemoEngine {
  engine: Engine
  close(): Promise<void>
}

export type DemoOptions = Pick<CreateEngineOptions, 'sideBySideFromSeconds'> & {
  cacheDir?: string
  /** 1, unless more are looked at: other tests run beside. */
  threads?: number
}

/** The engine with the demo model, compiled into a cache folder of its own unless one is given. */
export async function openDemoEngine(
  quantization: Quantization,
  { cacheDir, threads = 1, ...options }: DemoOptions = {},
): Promise<DemoEngine> {
  const own = cacheDir === undefined ? await mkdtemp(join(tmpdir(), 'asr-demo-')) : null
  const engine = await createEngine({
    ...options,
    modelDir: demoModelDir,
    quantization,
    slots: 8,
    threads,
    // Other tests run beside.
    sharesCores: true,
    cacheDir: cacheDir ?? own!,
    onProgress: () => {},
    onFatal: (error) => {
      throw error
    },
    metrics: { audioSeconds() {}, inferenceSeconds() {}, tokens() {}, batchSize() {} },
  })
  return {
    engine,
    async close() {
      await engine.close()
      if (own) await rm(own, { recursive: true })
    },
  }
}

export async function transcribeSamples(
  engine: Engine,
  samples: Float32Array,
  onDelta?: (delta: string) => void,
): Promise<Transcription> {
  async function* audio() {
    yield samples
  }
  return engine.transcribe(audio(), {
    language: null,
    prompt: '',
    temperature: 0,
    signal: new AbortController().signal,
    ...(onDelta ? { onDelta } : {}),
  })
}
