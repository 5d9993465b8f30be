import type { Request, Response } from 'express'
import { decodeAudio } from '../audio/decode.js'
import type { Engine, TranscribeOptions, Transcription } from '../engine/engine.js'
import { allowBody } from './early-answer.js'
import { localsOf } from './identify.js'
import { requestSpan, showStages, traced } from './request-span.js'
import type { Service } from './service.js'
import { checkHeaders, receiveUpload, type Upload } from './upload.js'

export interface UploadJob<Parsed> {
  fileFields: readonly string[]
  textFields: readonly string[]
  /** Checks the form; runs when all of it has arrived. */
  parse(upload: Upload, engine: Engine): Parsed & { options: Omit<TranscribeOptions, 'signal'> }
}

/**
 * From a request to its text: takes a slot, receives the upload, decodes it, runs the engine. The slot is free
 * again before this returns, so that the client that has its answer can send the next request at once.
 */
export async function transcribeUpload<Parsed>(
  service: Service,
  req: Request,
  res: Response,
  job: UploadJob<Parsed>,
): Promise<{ parsed: Parsed; transcription: Transcription }> {
  const engine = service.requireEngine()
  const span = requestSpan(req, res, service.options.id)
  const { maxBodyBytes, maxDurationSeconds } = service.options
  const { fileFields, textFields } = job
  checkHeaders(req, maxBodyBytes)
  const signal = abortWhenClosed(res)
  const started = performance.now()
  const release = await service.slots.acquire(signal)
  // A client that left holds no slot, even while the engine is still letting go of its work.
  signal.addEventListener('abort', release, { once: true })
  let upload: Upload | null = null
  try {
    allowBody(req, res)
    upload = await receiveUpload(req, { fileFields, textFields, maxBodyBytes, signal })
    const received = performance.now()
    const parsed = job.parse(upload, engine)
    const audio = await decodeAudio(upload.file, {
      signal,
      maxDurationSeconds,
      ...('path' in service.options ? { path: service.options.path } : {}),
    })
    const transcription = await engine.transcribe(traced(audio.samples, span), {
      ...parsed.options,
      signal,
      onStages: (stages) => showStages(span, stages),
    })
    localsOf(res).log.info(
      {
        route: req.path,
        container: audio.container,
        audioSeconds: round(transcription.durationSeconds),
        uploadSeconds: round((received - started) / 1000),
        transcribeSeconds: round((performance.now() - received) / 1000),
        language: transcription.language,
        tokens: transcription.outputTokens,
      },
      'transcribed',
    )
    return { parsed, transcription }
  } finally {
    signal.removeEventListener('abort', release)
    release()
    await upload?.file.close()
  }
}

/** Aborts when the connection ends before the answer did. */
export function abortWhenClosed(res: Response): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  if (res.destroyed) controller.abort()
  return controller.signal
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
