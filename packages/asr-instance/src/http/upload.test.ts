import { describe, expect, it } from 'vitest'
import { form, openPost, post, sendRaw, silentWav, startTestServer } from './server.fixture.js'

const head = 'POST /asr HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n'
const part = '--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'

function whole(body: string): string {
  return `${head}Connection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

describe('an upload', () => {
  it.each([
    ['the closing boundary is missing', whole(`${part}RIFF`), 'ends before the closing boundary'],
    [
      'a part has no end of headers',
      whole('--b\r\nContent-Disposition: form-data\r\n--b--\r\n'),
      'invalid_request',
    ],
    [
      'a header of a part is broken',
      whole('--b\r\nContent Disposition\r\n\r\nx\r\n--b--\r\n'),
      'headers of a part',
    ],
    [
      'the header of a file runs into a boundary',
      whole(
        '--b\r\nContent-Disposition: form-data; name="x"; filename="a"\r\nContent-Type: a\r\n--b\r\nX: y\r\n\r\n--\r\n--b--\r\n',
      ),
      'invalid_request',
    ],
    ['a field has no name', whole('--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n'), 'no name'],
    [
      'a name is huge',
      whole(`--b\r\nContent-Disposition: form-data; name="${'n'.repeat(200)}"\r\n\r\nx\r\n--b--\r\n`),
      'too long a name',
    ],
    [
      'there are hundreds of fields',
      whole(`${'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'.repeat(300)}--b--\r\n`),
      'too many fields',
    ],
    ['the form is empty', whole('--b--\r\n'), 'missing_file'],
    ['the boundary is another', whole('--c\r\n\r\n--c--\r\n'), 'ends before the closing boundary'],
    [
      'there is no boundary',
      whole('').replace('; boundary=b', '').replace('Length: 0', 'Length: 3') + 'abc',
      'names no boundary',
    ],
    [
      'the body is JSON',
      'POST /asr HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      'multipart/form-data is needed',
    ],
    ['there is no body', 'POST /asr HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 'has no body'],
    [
      'the connection ends inside the body',
      `${head}Content-Length: 500\r\n\r\n${part}RIFF`,
      'closed before the request was complete',
    ],
    [
      'a chunk length is nonsense',
      `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      'not a valid HTTP request',
    ],
    ['it is not HTTP', 'hello\r\n\r\n', 'not a valid HTTP request'],
  ])('is refused with 400 when %s', async (_case, bytes, sentence) => {
    const { url } = await startTestServer()
    const answer = await sendRaw(url, bytes)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain(sentence)
    expect(answer.toLowerCase()).toContain('x-request-id: ')
    expect(answer.toLowerCase()).toContain('x-asr-instance: test-0')
    expect((await post(`${url}/asr`, form({ audio: silentWav(1) }))).status).toBe(200)
  })

  it.each([100, 70_000])('whose file has no name says so, with %d bytes', async (bytes) => {
    const { url } = await startTestServer()
    const field = '--b\r\nContent-Disposition: form-data; name="audio"\r\nContent-Type: audio/wav\r\n\r\n'
    const answer = await sendRaw(url, whole(`${field}${'x'.repeat(bytes)}\r\n--b--\r\n`))
    expect(answer).toContain('"code":"missing_file"')
    expect(answer).toContain('is text, not a file')
  })

  it('refuses headers that are too large', async () => {
    const { url } = await startTestServer()
    expect(await sendRaw(url, `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
  })

  it('is refused by its Content-Length before the body is asked for', async () => {
    const { url } = await startTestServer()
    const { request, response } = openPost(`${url}/asr`, {
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': '1000001',
      expect: '100-continue',
    })
    let continued = false
    request.on('continue', () => (continued = true))
    request.flushHeaders()
    const answer = await response
    expect(answer.statusCode).toBe(413)
    expect(continued).toBe(false)
    answer.resume()
    request.destroy()
  })

  it('is asked for when it fits', async () => {
    const { url } = await startTestServer()
    const body = Buffer.concat([Buffer.from(part), silentWav(5), Buffer.from('\r\n--b--\r\n')])
    const { request, response } = openPost(`${url}/asr`, {
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': String(body.length),
      expect: '100-continue',
    })
    request.on('continue', () => request.end(body))
    request.flushHeaders()
    const answer = await response
    expect(answer.statusCode).toBe(200)
    answer.resume()
  })

  it('is refused while it streams when it grows too large, and the client gets to read so', async () => {
    const { url } = await startTestServer()
    const { request, response } = openPost(`${url}/asr`, {
      'content-type': 'multipart/form-data; boundary=b',
    })
    request.on('error', () => {})
    request.write(part)
    const block = Buffer.alloc(100_000)
    for (let i = 0; i < 30; i++) request.write(block)
    request.end('\r\n--b--\r\n')
    const answer = await response
    const pieces: Buffer[] = []
    for await (const piece of answer) pieces.push(piece as Buffer)
    expect(answer.statusCode).toBe(413)
    expect(Buffer.concat(pieces).toString()).toContain('file_too_large')
  })

  it('larger than the memory limit arrives whole', async () => {
    const { url } = await startTestServer(undefined, { maxBodyBytes: 10_000_000 })
    const { json } = await post(`${url}/asr`, form({ audio: silentWav(2_000_000) }))
    expect(json.text).toBe('2000000 samples')
  })
})
