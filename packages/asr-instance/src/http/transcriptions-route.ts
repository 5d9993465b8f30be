import { AsrError, toAsrError } from '@asr-cluster/protocol'
import type { Request, Response } from 'express'
import type { z } from 'zod'
import type { Transcription } from '../engine/engine.js'
import { parseLanguage } from '../languages.js'
import { toDone, toJson, toVerbose } from './answers.js'
import { EventStream } from './event-stream.js'
import { fieldNames, parseForm, transcriptionForm } from './form.js'
import { localsOf } from './identify.js'
import type { Service } from './service.js'
import { buildCues } from './subtitles/cues.js'
import { toSrt, toVtt } from './subtitles/format.js'
import { transcribeUpload } from './transcribe-upload.js'

type Form = z.output<typeof transcriptionForm>

/** `POST /v1/audio/transcriptions`: OpenAI's. */
export function transcriptionsRoute(service: Service) {
  return async (req: Request, res: Response): Promise<void> => {
    const events = new EventStream(res, req.path)
    try {
      const { parsed, transcription } = await transcribeUpload(service, req, res, {
        fileFields: ['file', 'audio'],
        textFields: fieldNames(transcriptionForm),
        parse(upload, engine) {
          const { form, unknown } = parseForm(transcriptionForm, upload.fields)
          service.requireModel(form.model)
          checkCombinations(form)
          const warnings = warningsFor(form, [...unknown, ...upload.unknownFiles])
          if (warnings.length > 0) res.setHeader('x-asr-warnings', headerText(warnings.join(' ')))
          const options = {
            language: parseLanguage(form.language, engine.model.languages),
            prompt: form.prompt,
            temperature: form.temperature,
            ...(form.stream ? { onDelta: (delta: string) => events.send(deltaOf(delta)) } : {}),
          }
          return { form, warnings, options }
        },
      })
      if (parsed.form.stream) {
        events.send(toDone(transcription, parsed.warnings))
        events.end()
      } else answer(res, parsed.form, transcription, parsed.warnings)
    } catch (error) {
      if (!events.started) throw error
      const known = toAsrError(error)
      localsOf(res).log.warn({ code: known.code, err: error }, 'stream broken off')
      if (!res.destroyed) events.fail(known)
    }
  }
}

function answer(res: Response, form: Form, result: Transcription, warnings: readonly string[]): void {
  switch (form.response_format) {
    case 'json':
      res.json(toJson(result, warnings))
      return
    case 'verbose_json':
      res.json(toVerbose(result, form.temperature, warnings))
      return
    case 'text':
      res.type('text/plain').send(`${result.text}\n`)
      return
    case 'srt':
      res.type('application/x-subrip').send(toSrt(buildCues(result.segments)))
      return
    case 'vtt':
      res.type('text/vtt').send(toVtt(buildCues(result.segments)))
  }
}

function checkCombinations(form: Form): void {
  if (form['timestamp_granularities[]'].includes('word')) {
    throw new AsrError(
      'unsupported_value',
      'Times of single words cannot be served; segments have times in verbose_json.',
      { param: 'timestamp_granularities[]' },
    )
  }
  if (form.stream && form.response_format !== 'json' && form.response_format !== 'text') {
    throw new AsrError('unsupported_value', `A stream has no response_format \`${form.response_format}\`.`, {
      param: 'response_format',
    })
  }
}

function warningsFor(form: Form, unknown: readonly string[]): string[] {
  const warnings = [...new Set(unknown)].map((name) => `The field \`${name.slice(0, 100)}\` has no effect.`)
  if (form['timestamp_granularities[]'].length > 0 && form.response_format !== 'verbose_json') {
    warnings.push('The field `timestamp_granularities[]` has an effect only with verbose_json.')
  }
  return warnings
}

function deltaOf(delta: string): { type: 'transcript.text.delta'; delta: string } {
  return { type: 'transcript.text.delta', delta }
}

/** Names come from the client: only what a header may hold. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 1000)
}
