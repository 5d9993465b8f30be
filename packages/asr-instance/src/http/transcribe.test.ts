import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import type { TranscribeOptions } from '../engine/engine.js'
import {
  ask,
  fakeEngine,
  form,
  gate,
  openPost,
  post,
  silentWav,
  startTestServer,
  transcription,
} from './server.fixture.js'

describe('POST /asr', () => {
  it('answers as the usual service does', async () => {
    const { url } = await startTestServer()
    const { status, json } = await post(`${url}/asr`, form({ audio: silentWav(8000) }), {
      'x-request-id': 'r1',
    })
    expect(status).toBe(200)
    expect(json).toEqual({
      text: '8000 samples',
      language: 'English',
      status: 'success',
      duration: 0.5,
      confidence: 0.9,
      request_id: 'r1',
    })
  })

  it('takes the field file too, and fields in any order', async () => {
    const { url } = await startTestServer()
    const before = form({ language: 'de', file: silentWav(10) })
    expect((await post(`${url}/asr`, before)).json.language).toBe('German')
    const after = form({ audio: silentWav(10), language: 'zh-CN' })
    expect((await post(`${url}/asr`, after)).json.language).toBe('Chinese')
  })

  it('hands language, prompt and temperature to the engine', async () => {
    let seen: TranscribeOptions | undefined
    const engine = fakeEngine({
      async transcribe(_audio, options) {
        seen = options
        return transcription()
      },
    })
    const { url } = await startTestServer(engine)
    await post(`${url}/asr`, form({ audio: silentWav(1), prompt: 'Kubernetes', temperature: '0.5' }))
    expect(seen).toMatchObject({ language: null, prompt: 'Kubernetes', temperature: 0.5 })
  })

  it.each([
    [{}, 'missing_file', 'no file in the field `audio`'],
    [{ audio: 'text' }, 'missing_file', 'The field `audio` is text, not a file'],
    [{ sound: silentWav(1) }, 'missing_file', 'found `sound`'],
    [{ audio: Buffer.alloc(0) }, 'empty_file', '0 bytes'],
    [{ audio: Buffer.from('hello there') }, 'not_audio', 'a text file'],
    [{ audio: Buffer.from('%PDF-1.7 …') }, 'not_audio', 'a PDF document'],
    [
      { audio: silentWav(100).subarray(0, 144) },
      'audio_truncated',
      'claims 200 bytes of samples, but the file has 100',
    ],
    [{ audio: silentWav(1), lang: 'en' }, 'unknown_field', 'no field `lang`'],
    [{ audio: silentWav(1), extra: silentWav(1) }, 'unknown_field', 'no field `extra`'],
    [{ audio: silentWav(1), file: silentWav(1) }, 'invalid_request', 'two recordings'],
    [{ audio: silentWav(1), language: 'klingon' }, 'invalid_language', 'Accepted: auto, Chinese (zh)'],
    [{ audio: silentWav(1), language: ['en', 'de'] }, 'invalid_request', 'sent 2 times'],
    [{ audio: silentWav(1), temperature: 'warm' }, 'invalid_request', 'a number from 0 to 1'],
    [{ audio: silentWav(1), temperature: '1.5' }, 'invalid_request', 'a number from 0 to 1'],
    [{ audio: silentWav(1), prompt: 'x'.repeat(70_000) }, 'invalid_request', 'longer than 65536 bytes'],
  ] as [Record<string, string | string[] | Buffer>, string, string][])(
    'refuses %# with a code and a sentence, and serves the next',
    async (fields, code, sentence) => {
      const { url, service } = await startTestServer()
      const { status, json } = await post(`${url}/asr`, form(fields))
      expect({ status, ...json }).toMatchObject({
        status: 'error',
        code,
        error: expect.stringContaining(sentence),
      })
      expect(status).toBe(400)
      expect(service.slots.inFlight).toBe(0)
      expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(200)
    },
  )

  it('refuses a recording that is too long by its header', async () => {
    const { url } = await startTestServer(fakeEngine(), { maxDurationSeconds: 1 })
    expect(await post(`${url}/asr`, form({ audio: silentWav(17_000) }))).toMatchObject({
      status: 413,
      json: { code: 'audio_too_long' },
    })
  })

  it('hides what went wrong inside', async () => {
    const engine = fakeEngine({ transcribe: () => Promise.reject(new Error('secret path')) })
    const { url } = await startTestServer(engine)
    const { status, text } = await post(`${url}/asr`, form({ audio: silentWav(1) }))
    expect([status, JSON.parse(text).code]).toEqual([500, 'internal'])
    expect(text).not.toContain('secret')
  })

  it('breaks the connection when the engine died, so that a balancer sends the request elsewhere', async () => {
    const { url, service } = await startTestServer(
      fakeEngine({
        async transcribe() {
          service.setBroken()
          throw new AsrError('internal', 'The engine died.')
        },
      }),
    )
    await expect(post(`${url}/asr`, form({ audio: silentWav(1) }))).rejects.toThrow('fetch failed')
  })
})

describe('slots', () => {
  it('refuses one more request than the engine has slots', async () => {
    const { open, opened } = gate()
    const started = [gate(), gate()]
    let count = 0
    const engine = fakeEngine({
      async transcribe() {
        started[count++]?.open()
        await opened
        return transcription()
      },
    })
    const { url, service } = await startTestServer(engine)
    const running = [1, 2].map(() => post(`${url}/asr`, form({ audio: silentWav(1) })))
    await Promise.all(started.map((each) => each.opened))
    expect((await ask(`${url}/health`)).json.inFlight).toBe(2)
    const refused = await post(`${url}/v1/audio/transcriptions`, form({ file: silentWav(1) }))
    expect(refused).toMatchObject({ status: 429, json: { error: { code: 'slots_full' } } })
    expect(refused.headers.get('retry-after')).toBe('1')
    open()
    for (const { status } of await Promise.all(running)) expect(status).toBe(200)
    expect(service.slots.inFlight).toBe(0)
  })

  it('has a free slot before the client has its answer', async () => {
    const { url } = await startTestServer(fakeEngine({ slots: 1 }))
    for (let i = 0; i < 50; i++) {
      expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(200)
    }
  })

  it('stops the work of a client that goes away', async () => {
    const started = gate()
    const stopped = gate()
    const engine = fakeEngine({
      transcribe: (_audio, { signal }) => {
        started.open()
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            stopped.open()
            reject(new AsrError('client_closed', 'gone'))
          })
        })
      },
    })
    const { url, service } = await startTestServer(engine)
    const controller = new AbortController()
    const body = form({ audio: silentWav(1) })
    const request = fetch(`${url}/asr`, { method: 'POST', body, signal: controller.signal })
    await started.opened
    controller.abort()
    await expect(request).rejects.toThrow()
    await stopped.opened
    expect(service.slots.inFlight).toBe(0)
  })

  it('gives the slot of an upload that is broken off to the next', async () => {
    const { url, service } = await startTestServer(fakeEngine({ slots: 1 }))
    const { request } = openPost(`${url}/asr`, {
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': '5000',
    })
    const connected = gate()
    request.once('socket', (socket) => socket.once('connect', () => connected.open()))
    request.on('error', () => {})
    request.write('--b\r\ncontent-disposition: form-data; name="audio"; filename="a"\r\n\r\nRIFF')
    await connected.opened
    await expect.poll(() => service.slots.inFlight).toBe(1)
    request.destroy()
    expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(200)
  })
})
