import { AsrError } from '@asr-cluster/protocol'
import type { Request, Response } from 'express'
import { parseLanguage } from '../languages.js'
import { parseForm, transcriptionForm } from './form.js'
import type { Service } from './service.js'
import { transcribeUpload } from './transcribe-upload.js'

/** `POST /v1/audio/transcriptions`: OpenAI's. */
export function transcriptionsRoute(service: Service) {
  return async (req: Request, res: Response): Promise<void> => {
    const { parsed, transcription } = await transcribeUpload(service, req, res, {
      fileFields: ['file', 'audio'],
      parse({ fields }, engine) {
        const { form } = parseForm(transcriptionForm, fields)
        service.requireModel(form.model)
        const language = parseLanguage(form.language, engine.model.languages)
        if (form.response_format !== 'json' && form.response_format !== 'text') {
          throw new AsrError('unsupported_value', 'Only json and text are served.', {
            param: 'response_format',
          })
        }
        return { form, options: { language, prompt: form.prompt, temperature: form.temperature } }
      },
    })
    if (parsed.form.response_format === 'text') {
      res.type('text/plain').send(`${transcription.text}\n`)
      return
    }
    res.json({ text: transcription.text, language: transcription.language.toLowerCase() })
  }
}
