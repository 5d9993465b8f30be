// An instance of the lab. For the group `demo` it is the real asr-instance; for all others a server that speaks the same
// protocol and answers with the hash of the body, so that hundreds of requests a second with known answers cost little.
// SIGUSR1: takes memory without end. SIGUSR2: ends as one whose GPU is lost.
import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import {
  exitCodes,
  identityHeader,
  identityMark,
  probeHeader,
} from '../../../packages/protocol/dist/index.js'

const flag = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1]
const id = flag('id')

if (id.startsWith('demo-')) await import('../../../packages/asr-instance/bin/asr-instance.js')
else serveHashes()

function serveHashes() {
  const mark = identityMark(process.env.ASR_INSTANCE_IDENTITY)
  const slots = Number(flag('slots')) || 4
  const serviceMs = Number(process.env.FAULTS_SERVICE_MS ?? 5)
  let inFlight = 0
  let progress = 0
  let draining = false

  /** In the page cache at once, so it outlives this process; the line is short enough to be one write. */
  const record = (what, request) =>
    appendFileSync(process.env.FAULTS_EXECUTIONS, `${what} ${request} ${id} ${process.pid}\n`)

  const send = (response, status, body) => {
    const text = JSON.stringify(body)
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': text.length,
      [identityHeader]: mark,
    })
    response.end(text)
  }
  const health = ({ headers }) => ({
    status: draining ? 'draining' : 'healthy',
    timestamp: new Date().toISOString(),
    instance: id,
    // As the real one does: for probes only.
    ...(headers[probeHeader] === '1' ? { identity: process.env.ASR_INSTANCE_IDENTITY } : {}),
    model: 'hash',
    slots,
    inFlight,
    progress,
  })
  const server = createServer((request, response) => {
    if (request.url === '/health') return send(response, 200, health(request))
    if (request.url === '/metrics.json') return send(response, 200, [])
    if (inFlight >= slots) {
      request.resume()
      return send(response, 429, { error: { code: 'slots_full', message: 'all slots are taken' } })
    }
    inFlight += 1
    const name = request.headers['x-request-id'] ?? 'none'
    record('begin', name)
    const hash = createHash('sha256')
    let bytes = 0
    request.on('data', (chunk) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    request.on('end', () => {
      setTimeout(() => {
        record('end', name)
        progress += 1
        send(response, 200, { sha256: hash.digest('hex'), bytes, request: name })
      }, serviceMs)
    })
    response.on('close', () => (inFlight -= 1))
  })
  server.keepAliveTimeout = 75_000
  process.on('SIGUSR1', () => {
    const hoard = []
    setInterval(() => hoard.push(Buffer.alloc(32_000_000, 1)), 5)
  })
  process.on('SIGUSR2', () => {
    process.send({ type: 'fatal', code: 'device', message: 'the GPU is lost' })
    process.exit(exitCodes.device)
  })
  process.on('SIGTERM', () => {
    draining = true
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
  process.on('disconnect', () => process.exit(0))
  server.on('error', (error) => {
    console.error(error.message)
    process.exit(error.code === 'EADDRINUSE' ? exitCodes.portInUse : 1)
  })
  server.listen(Number(flag('port')), '127.0.0.1', () => {
    process.send({ type: 'ready', port: server.address().port, slots, model: 'hash' })
  })
}
