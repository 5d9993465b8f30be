import type { Transcription } from '@asr-cluster/asr-instance'
import { openLocalEngine, type LocalEngineOptions } from './local-engine.js'
import type { Transcriber, TranscriptFormat } from './transcriber.js'

/** The engine in this process, no cluster needed; the same text as an instance writes. Throws CheckpointError. */
export async function localTranscriber(options: LocalEngineOptions): Promise<Transcriber> {
  const local = await openLocalEngine(options)
  return {
    concurrency: local.engine.slots,
    async transcribe({ path, language, prompt, format, signal }) {
      return render(await local.transcribeFile(path, { language, prompt, signal }), format)
    },
    [Symbol.asyncDispose]: () => local[Symbol.asyncDispose](),
  }
}

async function render(result: Transcription, format: TranscriptFormat): Promise<string> {
  const { buildCues, toJson, toSrt, toVerbose, toVtt } = await import('@asr-cluster/asr-instance')
  switch (format) {
    case 'text':
      return `${result.text}\n`
    case 'json':
      return JSON.stringify(toJson(result, []))
    case 'verbose_json':
      return JSON.stringify(toVerbose(result, 0, []))
    case 'srt':
      return toSrt(buildCues(result.segments))
    case 'vtt':
      return toVtt(buildCues(result.segments))
  }
}
