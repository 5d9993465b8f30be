import { AsrError } from '@asr-cluster/protocol'
import type { Request, Response } from 'express'
import { parseLanguage } from '../languages.js'
import { toAsr } from './answers.js'
import { asrForm, fieldNames, parseForm } from './form.js'
import { localsOf } from './identify.js'
import type { Service } from './service.js'
import { transcribeUpload } from './transcribe-upload.js'

/** `POST /asr`: the answer of the usual Flask service, with some fields more. */
export function asrRoute(service: Service) {
  return async (req: Request, res: Response): Promise<void> => {
    const { transcription } = await transcribeUpload(service, req, res, {
      fileFields: ['audio', 'file'],
      textFields: fieldNames(asrForm),
      parse({ fields, unknownFiles }, engine) {
        const { form, unknown } = parseForm(asrForm, fields)
        const [stranger] = [...unknown, ...unknownFiles]
        if (stranger !== undefined) {
          const known = ['audio', ...Object.keys(asrForm.shape)].join(', ')
          throw new AsrError(
            'unknown_field',
            `There is no field \`${stranger.slice(0, 100)}\` here; the fields are ${known}.`,
            { param: stranger.slice(0, 100) },
          )
        }
        const language = parseLanguage(form.language, engine.model.languages)
        return { options: { language, prompt: form.prompt, temperature: form.temperature } }
      },
    })
    res.json(toAsr(transcription, localsOf(res).requestId))
  }
}
