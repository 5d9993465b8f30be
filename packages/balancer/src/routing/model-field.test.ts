import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { ModelField } from './model-field.js'

const boundary = '----form-7MA4YWxkTrZu0gW'
const contentType = `multipart/form-data; boundary=${boundary}`

const textPart = (name: string, value: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const filePart = (name: string, content: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="a.wav"\r\n` +
  `Content-Type: audio/wav\r\n\r\n${content}\r\n`
const form = (...parts: string[]): Buffer => Buffer.from(`${parts.join('')}--${boundary}--\r\n`, 'latin1')

function find(body: Buffer, { type = contentType, chunkBytes = body.length } = {}): string | undefined {
  const field = new ModelField(type)
  for (let at = 0; at < body.length; at += chunkBytes) field.update(body.subarray(at, at + chunkBytes))
  return field.value
}

const audio = randomBytes(3_000).toString('latin1')

describe('ModelField', () => {
  it.each([
    ['before the file', form(textPart('model', 'one'), filePart('file', audio)), 'one'],
    ['behind the file', form(filePart('file', audio), textPart('model', 'one')), 'one'],
    ['among others', form(textPart('prompt', 'model'), textPart('model', 'one'), textPart('x', 'y')), 'one'],
    ['with a name in UTF-8', form(textPart('model', Buffer.from('модель').toString('latin1'))), 'модель'],
    ['twice: the first', form(textPart('model', 'one'), textPart('model', 'two')), 'one'],
    ['empty', form(textPart('model', ''), filePart('file', audio)), undefined],
    ['not there', form(textPart('models', 'one'), filePart('file', audio)), undefined],
    ['a file of this name', form(filePart('model', 'one')), undefined],
    [
      'inside a file',
      form(filePart('file', textPart('model', 'one').replaceAll(boundary, 'other'))),
      undefined,
    ],
    [
      'inside a text',
      form(textPart('prompt', 'Content-Disposition: form-data; name="model"\r\n\r\none')),
      undefined,
    ],
    [
      'behind what only begins like a boundary',
      form(
        filePart(
          'file',
          `\r\n--${boundary.slice(0, -1)}\r\n${textPart('model', 'one').slice(boundary.length)}`,
        ),
      ),
      undefined,
    ],
    [
      'behind a boundary without its line end',
      form(filePart('file', `\r\n--${boundary}x\r\nContent-Disposition: form-data; name="model"\r\n\r\none`)),
      undefined,
    ],
    ['behind the end of the form', Buffer.concat([form(), form(textPart('model', 'one'))]), undefined],
    ['cut off', form(textPart('model', 'one')).subarray(0, -8 - boundary.length), undefined],
    ['no form', Buffer.from('{"model":"one"}'), undefined],
  ])('%s', (_, body, expected) => {
    for (const chunkBytes of [1, 2, 7, 64, 1_000, body.length]) {
      expect(find(body, { chunkBytes })).toBe(expected)
    }
  })

  it('looks into forms with a boundary only', () => {
    const body = form(textPart('model', 'one'))
    expect(find(body, { type: contentType.replace('form-data', 'FORM-data') })).toBe('one')
    for (const type of ['multipart/form-data', 'multipart/mixed; boundary=x', 'application/json', '']) {
      expect(find(body, { type })).toBeUndefined()
    }
  })

  it('finds the same as the platform reads, whatever the order and the pieces', async () => {
    for (let round = 0; round < 200; round += 1) {
      const data = new FormData()
      const parts: [string, string | Blob][] = [
        ['file', new Blob([randomBytes(round * 17)])],
        ['model', `m${round}`],
        ['language', 'auto'],
      ]
      for (let turn = 0; turn < round % 3; turn += 1) parts.push(parts.shift() as [string, string | Blob])
      for (const [name, value] of parts) data.append(name, value as string)
      const request = new Request('http://localhost', { method: 'POST', body: data })
      const type = request.headers.get('content-type') as string
      const body = Buffer.from(await request.arrayBuffer())
      expect(find(body, { type, chunkBytes: 1 + ((round * 31) % 500) })).toBe(`m${round}`)
    }
  })

  it('keeps nothing of a long file, nor of a long field', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const field = new ModelField(contentType)
    collect()
    const before = process.memoryUsage().arrayBuffers
    for (const start of [filePart('file', ''), `${filePart('x', '')}${textPart('prompt', '')}`]) {
      field.update(Buffer.from(start.slice(0, -2)))
      for (let megabyte = 0; megabyte < 100; megabyte += 1)
        field.update(Buffer.alloc(1_000_000, '\r\n--audio '))
      field.update(Buffer.from('\r\n'))
      const keptBytes = (): number => {
        collect()
        return process.memoryUsage().arrayBuffers - before
      }
      // Freed buffers are swept by a thread that may be late.
      await expect.poll(keptBytes, { timeout: 10_000 }).toBeLessThan(20e6)
    }
    field.update(form(textPart('model', 'one')))
    expect(field.value).toBe('one')
  })
})
