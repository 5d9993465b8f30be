import { PassThrough } from 'node:stream'
import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { parseAnswers } from '../fixtures/raw-http.js'
import { parserError, replyOnSocket } from './client-error.js'

describe('parserError', () => {
  it.each([
    ['HPE_HEADER_OVERFLOW', 431],
    ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 400],
    [undefined, 400],
  ])('%s is %i', (code, status) => {
    expect(parserError(code).status).toBe(status)
  })
})

describe('replyOnSocket', () => {
  it('writes a whole answer in the envelope of the path and ends the socket', async () => {
    const socket = new PassThrough()
    const error = new AsrError('draining', 'Later.', { retryAfterSeconds: 5 })
    replyOnSocket(socket, error, { path: '/v1/realtime', requestId: 'r1' })
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const [answer] = parseAnswers(Buffer.concat(chunks))
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'x-request-id': 'r1', 'retry-after': '5', connection: 'close' },
    })
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error: { code: 'draining' } })
  })
})
