import { Readable } from 'node:stream'
import { Spool } from '../../../packages/asr-instance/dist/audio/spool.js'
import { asrForm, parseForm, transcriptionForm } from '../../../packages/asr-instance/dist/http/form.js'
import { receiveUpload } from '../../../packages/asr-instance/dist/http/upload.js'
import { ModelField } from '../../../packages/balancer/dist/routing/model-field.js'
import { refusal } from '../lib/known.mjs'

const part = (disposition, body, more = '') =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n${body}\r\n`
export const seeds = [
  `${part('name="audio"; filename="a.wav"', 'RIFF....WAVE', 'Content-Type: audio/wav\r\n')}${part('name="language"', 'en')}--b--\r\n`,
  `${part('name="model"', 'demo')}${part('name="file"; filename*=UTF-8\'\'%e2%82%ac', 'x'.repeat(3000))}${part('name="stream"', 'true')}--b--\r\n`,
  `${part('name="timestamp_granularities[]"', 'word')}${part('name="temperature"', '0.5')}${part('name="prompt"', 'ü')}--b--\r\n`,
].map((text) => Buffer.from(text))
export const dictionary = [
  '\r\n--b\r\n',
  '--b--',
  '; name="',
  'filename="',
  '__proto__',
  'constructor',
  '[]',
  'charset=utf-16le',
  'Content-Transfer-Encoding: base64\r\n',
]

/** The same bytes through the instance's parser and through the balancer's, which must agree on the field `model`. */
export async function run(bytes, { random, below, of }) {
  const type =
    random() < 0.97
      ? 'multipart/form-data; boundary=b'
      : of([
          'multipart/form-data',
          'multipart/form-data; boundary="',
          '',
          'multipart/form-data; boundary=b; boundary=c',
        ])
  const pieces = []
  for (let at = 0; at < bytes.length;) {
    const length = 1 + below(random() < 0.3 ? 8 : 3_000)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  const headers = { 'content-type': type, 'content-length': String(bytes.length) }
  const field = new ModelField(type)
  for (const piece of pieces) field.update(piece)
  const request = Object.assign(Readable.from(pieces), { headers })
  try {
    const upload = await receiveUpload(request, {
      fileFields: ['audio', 'file'],
      maxBodyBytes: of([2_000, 1_000_000]),
      signal: new AbortController().signal,
      createSpool: () => new Spool({ memoryLimitBytes: of([1_000, 1e6]) }),
    })
    await upload.file.close()
    const models = upload.fields.get('model')
    if (models && models[0].length <= 256 && (field.value ?? '') !== models[0])
      throw new Error(`the balancer sees the model ${field.value}, the instance ${models[0]}`)
    parseForm(of([asrForm, transcriptionForm]), upload.fields)
    return 'taken'
  } catch (error) {
    return refusal(error)
  }
}
