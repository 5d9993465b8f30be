// A small server with the manners of asr-instance: /health with its slots, 429 `slots_full` beyond them, and at SIGTERM a
// drain. `node pod.js --host H --port P --slots N --service-ms M --id ID`. Answers carry the SHA-256 of the body.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const text = { type: 'string' }
const { values } = parseArgs({
  options: { host: text, port: text, slots: text, 'service-ms': text, id: text },
})
const { host = '127.0.0.1', port = '0', id = 'pod' } = values
const slots = Number(values.slots ?? 4)
const serviceMs = Number(values['service-ms'] ?? 20)
let inFlight = 0
let draining = false

const server = createServer((request, response) => {
  const answer = (status, value) => {
    const body = JSON.stringify(value)
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  }
  if (request.url === '/health') {
    const status = draining ? 'draining' : 'healthy'
    answer(draining ? 503 : 200, {
      status,
      timestamp: new Date().toISOString(),
      instance: id,
      slots,
      inFlight,
    })
    return
  }
  const hash = createHash('sha256')
  request.on('data', (chunk) => hash.update(chunk))
  request.on('end', () => {
    const refused = draining ? [503, 'draining'] : inFlight >= slots ? [429, 'slots_full'] : undefined
    if (refused) {
      answer(refused[0], { error: { message: 'Not now.', type: 'server_error', code: refused[1] } })
      return
    }
    inFlight += 1
    const sha256 = hash.digest('hex')
    setTimeout(
      () => {
        inFlight -= 1
        answer(200, { text: sha256, instance: id })
        if (draining && inFlight === 0) setImmediate(leave)
      },
      serviceMs * (0.5 + Math.random()),
    )
  })
})

function leave() {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
}

process.on('SIGTERM', () => {
  draining = true
  if (inFlight === 0) leave()
})
server.listen(Number(port), host, () =>
  console.log(JSON.stringify({ msg: 'listening', port: server.address().port })),
)
