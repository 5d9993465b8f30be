import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AsrError, renderError } from '@asr-cluster/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { gate } from '../fixtures/gate.js'
import { serve, type TestServer } from '../fixtures/serve.js'
import { loadClips, type Clip } from './clips.js'
import { createSender, type Sender } from './sender.js'

const hello = fileURLToPath(new URL('../../../../examples/hello.wav', import.meta.url))
const clip: Clip = {
  name: 'a.wav',
  seconds: 7,
  contentType: 'multipart/form-data; boundary=x',
  body: (count) => Buffer.from(`${count}`),
}
const never = new AbortController().signal

function senderTo({ url }: Pick<TestServer, 'url'>, timeoutMs = 10_000): Sender {
  let nowMs = 0
  const sender = createSender({ baseUrl: url, apiKey: 'k', model: 'm', timeoutMs, nowMs: () => (nowMs += 5) })
  onTestFinished(() => sender.close())
  return sender
}

describe('send', () => {
  it('measures an answer', async () => {
    let headers: NodeJS.Dict<string | string[]> = {}
    const server = await serve((request, response) => {
      request.resume()
      headers = request.headers
      response.setHeader('x-asr-instance', 'default-1').end('{"text":"hi","duration":1.5}')
    })
    const sender = senderTo(server)
    const sample = await sender.send(clip, 2, never)
    expect(sample).toMatchObject({
      clip: 'a.wav',
      dueMs: 2,
      sentMs: 5,
      endedMs: 10,
      failure: null,
      instance: 'default-1',
      audioSeconds: 1.5,
    })
    expect(headers).toMatchObject({ authorization: 'Bearer k', 'x-asr-model': 'm', 'content-length': '1' })
    expect((await sender.send(clip, 0, never)).textDigest).toBe(sample.textDigest)
  })

  it.each<[string, number, string, string]>([
    ['a refusal of ours', 429, renderError(new AsrError('queue_full', 'Full.'), '/v1/x').body, 'queue_full'],
    ['a refusal of a stranger', 502, 'Bad Gateway', 'http_502'],
    ['an answer without a text', 200, '{"texts":[]}', 'bad_answer'],
    ['an answer that is no JSON', 200, '<html>', 'bad_answer'],
  ])('%s is a failure with its code', async (_name, status, body, failure) => {
    const server = await serve((request, response) => {
      request.resume()
      response.writeHead(status).end(body)
    })
    expect(await senderTo(server).send(clip, 0, never)).toMatchObject({ failure, textDigest: null })
  })

  it('takes the length of the file where the server does not tell', async () => {
    const server = await serve((_request, response) => void response.end('{"text":"hi"}'))
    expect(await senderTo(server).send(clip, 0, never)).toMatchObject({ failure: null, audioSeconds: 7 })
  })

  it('names faults of the connection', async () => {
    const breaking = await serve((request) => void request.socket.destroy())
    expect((await senderTo(breaking).send(clip, 0, never)).failure).toBe('UND_ERR_SOCKET')
    const silent = await serve(() => {})
    expect((await senderTo(silent, 30).send(clip, 0, never)).failure).toBe('timeout')
    await silent.close()
    expect((await senderTo(silent).send(clip, 0, never)).failure).toBe('ECONNREFUSED')
  })

  it('is cut off by the signal', async () => {
    const arrived = gate()
    const silent = await serve(() => arrived.open())
    const controller = new AbortController()
    const sample = senderTo(silent).send(clip, 0, controller.signal)
    await arrived.opened
    controller.abort()
    expect((await sample).failure).toBe('interrupted')
  })
})

describe('loadClips', () => {
  it('makes a recording a form, and knows the length of a WAV', async () => {
    const [loaded] = await loadClips(hello, { language: 'en' })
    expect(loaded).toMatchObject({ name: 'hello.wav', seconds: 1.2693125 })
    const form = await new Response(new Uint8Array(loaded!.body(7)), {
      headers: { 'content-type': loaded!.contentType },
    }).formData()
    expect(form.get('language')).toBe('en')
    expect(form.get('file')).toMatchObject({ size: 40_662, name: '0000000007-hello.wav' })
    expect(loaded!.body(7).equals(loaded!.body(8))).toBe(false)
  })

  it('takes the recordings of a folder and nothing else', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-clips-'))
    onTestFinished(() => rm(dir, { recursive: true }))
    await expect(loadClips(dir, {})).rejects.toMatchObject({ code: 'no_such_file' })
    for (const name of ['b.MP3', 'a.wav', 'notes.txt']) writeFileSync(join(dir, name), 'x')
    expect((await loadClips(dir, {})).map(({ name, seconds }) => [name, seconds])).toEqual([
      ['a.wav', null],
      ['b.MP3', null],
    ])
    await expect(loadClips(join(dir, 'gone'), {})).rejects.toThrow(/ENOENT/)
  })
})
