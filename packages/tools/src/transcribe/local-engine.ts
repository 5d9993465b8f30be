import { createReadStream } from 'node:fs'
import type { CreateEngineOptions, Engine, Transcription } from '@asr-cluster/asr-instance'
import { ToolError } from '../common/tool-error.js'

export interface LocalEngineOptions {
  /** Folder of the checkpoint. */
  modelDir: string
  quantization: CreateEngineOptions['quantization']
  cacheDir: string
  onProgress: (text: string) => void
}

export interface LocalEngine extends AsyncDisposable {
  readonly engine: Engine
  /** Throws AsrError for a file that is no audio, or a language that the model does not have. */
  transcribeFile(
    path: string,
    options: { language: string; prompt: string; signal?: AbortSignal | undefined },
  ): Promise<Transcription>
}

const maxDurationSeconds = 12 * 3600

/** Loads a model into this process. Throws CheckpointError. */
export async function openLocalEngine(options: LocalEngineOptions): Promise<LocalEngine> {
  const { createEngine, decodeAudio, parseLanguage, Spool } = await import('@asr-cluster/asr-instance')
  const died = new AbortController()
  const engine = await createEngine({
    modelDir: options.modelDir,
    quantization: options.quantization,
    slots: 'auto',
    threads: 'auto',
    cacheDir: options.cacheDir,
    onProgress: (stage, ratio, detail) =>
      options.onProgress(`${stage} ${Math.round(ratio * 100)} %: ${detail}`),
    onWarning: options.onProgress,
    metrics: { audioSeconds() {}, inferenceSeconds() {}, tokens() {}, batchSize() {} },
    onFatal: (error) =>
      died.abort(new ToolError('engine', `the engine broke: ${error.message}`, { cause: error })),
  })
  return {
    engine,
    async transcribeFile(path, { language, prompt, signal }) {
      const ending = signal ? AbortSignal.any([signal, died.signal]) : died.signal
      ending.throwIfAborted()
      const spool = new Spool()
      try {
        await fill(spool, path)
        const { samples } = await decodeAudio(spool, { signal: ending, maxDurationSeconds })
        return await engine.transcribe(samples, {
          language: parseLanguage(language, engine.model.languages),
          prompt,
          temperature: 0,
          signal: ending,
        })
      } catch (error) {
        throw died.signal.aborted ? died.signal.reason : error
      } finally {
        await spool.close()
      }
    },
    [Symbol.asyncDispose]: () => engine.close(),
  }
}

async function fill(spool: { write(chunk: Uint8Array): Promise<void> }, path: string): Promise<void> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 18 }))
      await spool.write(chunk as Buffer)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new ToolError('no_such_file', 'there is no such file', { cause: error })
    throw new ToolError('unreadable_file', `the file cannot be read: ${code}`, { cause: error })
  }
}
