import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsrError, renderError } from '@asr-cluster/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve } from '../fixtures/serve.js'
import { ClusterClient } from './cluster-client.js'

let dir: string
let path: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asr-client-'))
  path = join(dir, 'clip.wav')
  await writeFile(path, 'RIFF')
})

afterAll(() => rm(dir, { recursive: true }))

async function formOf(request: AsyncIterable<Uint8Array>, type: string | undefined): Promise<FormData> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  return new Response(Buffer.concat(chunks), { headers: { 'content-type': type ?? '' } }).formData()
}

describe('transcribe', () => {
  it('sends the file and the fields that are set, with the key', async () => {
    let seen: { url: string | undefined; key: string | undefined; model: unknown; form: FormData } | undefined
    const server = await serve((request, response) => {
      void formOf(request, request.headers['content-type']).then((form) => {
        const { authorization: key, 'x-asr-model': model } = request.headers
        seen = { url: request.url, key, model, form }
        response.setHeader('x-asr-instance', 'default-1').end('{"text":"hi"}')
      })
    })
    const client = new ClusterClient({ baseUrl: server.url, apiKey: 'k1' })
    const answer = await client.transcribe({ path, model: 'a/b', fields: { language: 'en', prompt: '' } })
    expect(answer).toEqual({ body: '{"text":"hi"}', instance: 'default-1', requestId: null })
    expect(seen).toMatchObject({ url: '/v1/audio/transcriptions', key: 'Bearer k1', model: 'a/b' })
    expect([...seen!.form.keys()]).toEqual(['model', 'language', 'file'])
    expect((seen!.form.get('file') as File).name).toBe('clip.wav')
  })

  it('waits as long as a busy server asks, and sends the whole file again', async () => {
    const sizes: number[] = []
    const server = await serve((request, response) => {
      void formOf(request, request.headers['content-type']).then((form) => {
        sizes.push((form.get('file') as File).size)
        if (sizes.length === 3) {
          response.end('done')
          return
        }
        const error = new AsrError('queue_full', 'The queue is full.', {
          retryAfterSeconds: sizes.length * 7,
        })
        const { status, headers, body } = renderError(error, '/v1/audio/transcriptions')
        response.writeHead(status, headers).end(body)
      })
    })
    const waits: number[] = []
    const sleep = async (ms: number): Promise<void> => void waits.push(ms)
    const client = new ClusterClient({ baseUrl: server.url, sleep })
    expect((await client.transcribe({ path, fields: {} })).body).toBe('done')
    expect(waits).toEqual([7_000, 14_000])
    expect(sizes).toEqual([4, 4, 4])
  })

  it('gives up in the end, with what the server said', async () => {
    const server = await serve((request, response) => {
      request.resume()
      const error = new AsrError('no_instance_ready', 'No instance is ready.')
      const { status, body } = renderError(error, '/asr')
      response.writeHead(status).end(body)
    })
    const client = new ClusterClient({ baseUrl: server.url, retries: 2, sleep: async () => {} })
    await expect(client.transcribe({ path, fields: {} })).rejects.toMatchObject({
      code: 'no_instance_ready',
      status: 503,
      message: 'No instance is ready.',
      help: expect.stringContaining('asr-cluster status') as string,
    })
  })

  it.each([
    ['OpenAI’s envelope', '/v1/audio/transcriptions'],
    ['the flat envelope', '/asr'],
  ])('reads %s into message, code and help', async (_name, envelope) => {
    const server = await serve((request, response) => {
      request.resume()
      const { status, body } = renderError(new AsrError('not_audio', 'It looks like a text file.'), envelope)
      response.writeHead(status).end(body)
    })
    const client = new ClusterClient({ baseUrl: server.url })
    await expect(client.transcribe({ path, fields: {} })).rejects.toMatchObject({
      code: 'not_audio',
      message: 'It looks like a text file.',
      help: expect.stringMatching(/^Send WAV/) as string,
    })
  })

  it('says what a stranger answered', async () => {
    const server = await serve((request, response) => {
      request.resume()
      response.writeHead(502).end('<h1>Bad Gateway</h1>')
    })
    const client = new ClusterClient({ baseUrl: server.url })
    await expect(client.transcribe({ path, fields: {} })).rejects.toMatchObject({
      code: 'http_502',
      message: 'the server answered 502: <h1>Bad Gateway</h1>',
    })
  })

  it('says that nobody listens, that it took too long, and that a file is not there', async () => {
    const closed = await serve(() => {})
    await closed.close()
    const nobody = new ClusterClient({ baseUrl: closed.url })
    await expect(nobody.transcribe({ path, fields: {} })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(closed.url) as string,
    })
    const silent = await serve(() => {})
    const impatient = new ClusterClient({ baseUrl: silent.url, timeoutMs: 20 })
    await expect(impatient.transcribe({ path, fields: {} })).rejects.toMatchObject({ code: 'timeout' })
    await expect(impatient.transcribe({ path: join(dir, 'no.wav'), fields: {} })).rejects.toMatchObject({
      code: 'no_such_file',
    })
    await expect(impatient.transcribe({ path: dir, fields: {} })).rejects.toMatchObject({
      code: 'unreadable_file',
    })
  })

  it('says that the connection broke', async () => {
    const server = await serve((request) => void request.socket.destroy())
    const client = new ClusterClient({ baseUrl: server.url })
    await expect(client.transcribe({ path, fields: {} })).rejects.toMatchObject({ code: 'connection_lost' })
  })
})
