import { pino } from 'pino'
import { ConnectionGuard } from '../../../packages/asr-instance/dist/guard/connection-guard.js'
import { startServer } from '../../../packages/asr-instance/dist/http/server.js'
import { Service } from '../../../packages/asr-instance/dist/http/service.js'
import { createMetrics } from '../../../packages/asr-instance/dist/metrics.js'
import {
  callerHeader,
  callerProof,
  identityHeader,
  identityMark,
} from '../../../packages/protocol/dist/index.js'
import { exchange, firstStatus } from '../lib/raw.mjs'
import { dictionary as words, seeds as requests } from './http.mjs'

const identity = 'secret-of-this-life'
const form =
  '--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\nRIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x02\0\0\0\0\0\r\n--b--\r\n'
export const seeds = [
  ...requests,
  ...[
    `POST /asr HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${form.length}\r\n\r\n${form}`,
    'GET /health HTTP/1.1\r\nX-Asr-Probe: 1\r\n\r\nGET /metrics.json HTTP/1.1\r\n\r\n',
    'GET /v1/models/a%2fb HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n',
    'GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Version: 7\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET http://169.254.16:.254/latest HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 9\r\n\r\nabc',
  ].map((text) => Buffer.from(text, 'latin1')),
]
export const dictionary = [
  ...words,
  `${callerHeader}: x\r\n`,
  'Expect: 100-continue\r\n',
  'X-Asr-Probe: 1\r\n',
]
export const parallel = 16

const engine = {
  model: { name: 'a/b', quantization: 'none', languages: [], executionProvider: 'cpu' },
  slots: 64,
  progress: 1,
  async transcribe(audio) {
    let samples = 0
    for await (const piece of audio) samples += piece.length
    const text = `${samples}`
    return { text, language: 'English', durationSeconds: 1, segments: [], promptTokens: 1, outputTokens: 1 }
  },
  listen: () => ({ push() {}, finish: async () => ({ text: '' }), cancel() {} }),
  async close() {},
}
const servers = []

async function serve(guard) {
  const service = new Service({
    id: 'fuzzed-0',
    identity,
    maxBodyBytes: 100_000,
    maxDurationSeconds: 60,
    servedModelNames: [],
    metrics: createMetrics('fuzzed-0'),
    log: pino({ level: 'silent' }),
    now: () => new Date(),
    path: '',
  })
  service.setReady(engine)
  const server = await startServer(service, { host: '127.0.0.1', port: 0 }, guard)
  servers.push(server.http)
  return server.port
}

const guardWith = (ownerOf) =>
  new ConnectionGuard({ identity, allowUsers: [1], ownerOf, onRefused: () => {} })
let open_
let closed
export async function open() {
  // Owners that are known only after a while, so that answers are given on connections that have waited.
  open_ = await serve(guardWith(() => new Promise((resolve) => setImmediate(resolve, 1))))
  closed = await serve(guardWith(async () => 2))
}
export async function close() {
  for (const http of servers) {
    http.close()
    http.closeAllConnections()
  }
}

const mark = `${identityHeader}: ${identityMark(identity)}`
const proof = callerProof(identity)

/** What is answered is marked, all of it, or the balancer would take it for a stranger's; other users get nothing at all. */
export async function run(bytes) {
  const answer = await exchange({ port: open_, host: '127.0.0.1' }, bytes)
  const status = firstStatus(answer)
  if (status === '500') throw new Error('an answer of 500')
  const heads = answer.toString('latin1').match(/^HTTP\/1\.1 (?!100)\d{3} [^]*?\r\n\r\n/gm) ?? []
  const unmarked = heads.find((head) => !head.toLowerCase().includes(mark.toLowerCase()))
  if (unmarked) throw new Error(`an answer without the mark: ${JSON.stringify(unmarked.slice(0, 200))}`)
  if (answer.includes(proof)) throw new Error('the proof was told')
  const refused = await exchange({ port: closed, host: '127.0.0.1' }, bytes)
  if (refused.length > 0)
    throw new Error(`another user was answered: ${JSON.stringify(String(refused).slice(0, 200))}`)
  return status
}
