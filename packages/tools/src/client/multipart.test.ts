import { buffer } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { multipart } from './multipart.js'

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

it('is what a form parser reads, with the length it declares', async () => {
  const name = 'a "quoted"\r\nname é.wav'
  const body = multipart(
    { language: 'en', prompt: 'Zoë\n--x' },
    { field: 'file', fileName: name, size: 8, read: () => pieces('RIFF', '1234') },
  )
  const bytes = await buffer(body.read())
  expect(body.headers['content-length']).toBe(String(bytes.length))
  const form = await new Response(new Uint8Array(bytes), { headers: body.headers }).formData()
  expect(form.get('language')).toBe('en')
  expect(form.get('prompt')).toBe('Zoë\n--x')
  const file = form.get('file') as File
  expect(await file.text()).toBe('RIFF1234')
  expect(decodeURIComponent(file.name)).toBe(name)
})

it('can be read again, for a second try', async () => {
  const body = multipart({}, { field: 'file', fileName: 'a', size: 1, read: () => pieces('x') })
  expect(await buffer(body.read())).toEqual(await buffer(body.read()))
})
