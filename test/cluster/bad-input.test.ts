import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { repositoryRoot, startCluster, type TestCluster } from '../harness/index.js'

let cluster: TestCluster
let hello: Uint8Array<ArrayBuffer>

beforeAll(async () => {
  hello = new Uint8Array(await readFile(`${repositoryRoot}/examples/hello.wav`))
  cluster = await startCluster()
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

function form(field: string, bytes: Uint8Array<ArrayBuffer> | string, name = 'file.wav'): FormData {
  const data = new FormData()
  data.set(field, new Blob([bytes]), name)
  return data
}

function claiming(dataBytes: number): Uint8Array<ArrayBuffer> {
  const wav = Uint8Array.from(hello)
  new DataView(wav.buffer).setUint32(40, dataBytes, true)
  return wav
}

interface BadCase {
  name: string
  path?: string
  init: () => RequestInit
  status: number
  code: string
  /** The sentence must name what was wrong. */
  mentions: RegExp
}

const post = (body: FormData | string, headers?: Record<string, string>) => () => ({
  method: 'POST',
  body,
  ...(headers ? { headers } : {}),
})

const cases: BadCase[] = [
  { name: 'no file', init: post(new FormData()), status: 400, code: 'missing_file', mentions: /audio/ },
  {
    name: 'an empty file',
    init: () => post(form('audio', ''))(),
    status: 400,
    code: 'empty_file',
    mentions: /empty|no bytes/i,
  },
  {
    name: 'a text file',
    init: () => post(form('audio', 'This is not a recording.\n', 'notes.wav'))(),
    status: 400,
    code: 'not_audio',
    mentions: /text/i,
  },
  {
    name: 'a truncated WAV',
    init: () => post(form('audio', hello.slice(0, hello.length / 2)))(),
    status: 400,
    code: 'audio_truncated',
    mentions: /\d/,
  },
  {
    name: 'a WAV claiming 4 GB',
    init: () => post(form('audio', claiming(4e9)))(),
    status: 400,
    code: 'audio_truncated',
    mentions: /4.?000.?000.?000|4(\.0)? GB/,
  },
  {
    name: 'a WAV claiming 2^32 - 1 bytes',
    init: () => post(form('audio', claiming(0xffffffff)))(),
    status: 400,
    code: 'audio_truncated',
    mentions: /\d/,
  },
  {
    name: '101 MB',
    init: () => post(form('audio', new Uint8Array(101e6)))(),
    status: 413,
    code: 'file_too_large',
    mentions: /100/,
  },
  {
    name: 'a wrong file field',
    init: () => post(form('recording', hello))(),
    status: 400,
    code: 'missing_file',
    mentions: /recording/,
  },
  {
    name: 'a body that is not multipart',
    init: post('{}', { 'content-type': 'application/json' }),
    status: 400,
    code: 'invalid_request',
    mentions: /multipart/,
  },
  {
    name: 'a wrong method',
    init: () => ({ method: 'DELETE' }),
    status: 405,
    code: 'method_not_allowed',
    mentions: /POST/,
  },
  {
    name: 'an unknown path',
    path: '/nothing',
    init: () => ({}),
    status: 404,
    code: 'not_found',
    mentions: /route/,
  },
  {
    name: 'an unknown language',
    init: () => {
      const data = form('audio', hello)
      data.set('language', 'Klingon')
      return post(data)()
    },
    status: 400,
    code: 'invalid_language',
    mentions: /Klingon/,
  },
]

test.each(cases)(
  '$name: $status $code, and the next good request works',
  async ({ path = '/asr', init, status, code, mentions }) => {
    const response = await fetch(cluster.url + path, init())
    const body = (await response.json()) as { code: string; error: string; help: string }
    expect([response.status, body.code]).toEqual([status, code])
    expect(body.error).toMatch(mentions)
    expect(body.help).not.toBe('')
    expect(response.headers.get('x-request-id')).not.toBeNull()
    if (status === 405) expect(response.headers.get('allow')).toContain('POST')

    const good = await fetch(`${cluster.url}/asr`, post(form('audio', hello))())
    expect(await good.json()).toMatchObject({
      text: 'Welcome to the cluster.',
      language: 'English',
      status: 'success',
    })
  },
)

test('under /v1 errors come in OpenAI’s envelope, for plain text too', async () => {
  const data = form('file', 'no sound')
  data.set('response_format', 'text')
  const response = await fetch(`${cluster.url}/v1/audio/transcriptions`, post(data)())
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'not_audio' } })
  const good = form('file', hello)
  good.set('response_format', 'text')
  const text = await fetch(`${cluster.url}/v1/audio/transcriptions`, post(good)())
  expect((await text.text()).trim()).toBe('Welcome to the cluster.')
})

test('an upload declared too large is refused before its body is read', async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    let received = ''
    const socket = connect(cluster.port, '127.0.0.1', () => {
      socket.write(
        'POST /asr HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 101000000\r\n\r\n',
      )
    })
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer while the body was awaited')))
    socket.on('data', (chunk) => {
      received += chunk.toString()
      if (received.includes('file_too_large')) socket.destroy()
    })
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
  expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  expect(answer).toContain('"code":"file_too_large"')
})
