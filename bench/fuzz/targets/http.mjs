import { createServer } from 'node:http'
import { pino } from 'pino'
import { Balancer } from '../../../packages/balancer/dist/balancer.js'
import { balancerConfigSchema } from '../../../packages/protocol/dist/index.js'
import { exchange, firstStatus } from '../lib/raw.mjs'

export const seeds = [
  'POST /asr HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /v1/realtime?model=x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'POST /asr HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nX-Request-Id: r\r\n\r\nabc',
  'POST /asr HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 63\r\n\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--\r\n',
  'GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n',
  'GET http://169.254.169.254/latest HTTP/1.1\r\nHost: b\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))
export const dictionary = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  'Content-Length: 1\r\n',
  'Content-Length: 1, 2\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip\r\n',
  'Host: x\r\n',
  'Connection: close, Content-Length\r\n',
  '0\r\n\r\n',
  'fffffffffffffffff\r\n',
  ' HTTP/1.1\r\n',
  'HTTP/2.0',
  '../',
  '%00',
  ':',
  'X-Asr-Model: y\r\n',
  'Trailer: x\r\n',
  'Upgrade: h2c\r\n',
]
export const parallel = 16

let balancer
let upstream
let port
const complaints = []
export async function open() {
  upstream = createServer((request, response) => {
    if (request.headers['x-asr-probe'])
      return response.end(JSON.stringify({ status: 'healthy', timestamp: '', instance: 'a' }))
    const { rawHeaders } = request
    const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
    if (names.filter((name) => name === 'content-length').length > 1 || names.includes('transfer-encoding'))
      complaints.push(`an instance got ${JSON.stringify(rawHeaders)}`)
    request.resume().on('end', () => response.end('{"text":"x"}'))
  })
  // What the balancer sends on has to be good HTTP, whatever it was made of.
  upstream.on('clientError', (error, socket) => {
    if (error.code !== 'ECONNRESET') complaints.push(`an instance could not read: ${error.code}`)
    socket.destroy()
  })
  await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const health = { interval: '1s', timeout: '5s' }
  balancer = new Balancer(balancerConfigSchema.parse({ port: 0, health }), { log: pino({ level: 'silent' }) })
  const url = `http://127.0.0.1:${upstream.address().port}`
  const member = {
    id: 'a',
    group: 'g',
    models: ['x'],
    url,
    weight: 1,
    slots: 64,
    draining: false,
    native: false,
  }
  balancer.setMembers([member])
  port = await balancer.listen({ host: '127.0.0.1', port: 0 })
}
export async function close() {
  await balancer.close()
  upstream.close()
  upstream.closeAllConnections()
}

export async function run(bytes) {
  const status = firstStatus(await exchange({ port, host: '127.0.0.1' }, bytes))
  if (complaints.length > 0) throw new Error(complaints.splice(0).join('; '))
  if (status === '500') throw new Error('an answer of 500')
  return status
}
