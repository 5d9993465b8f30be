// An instance without a model: one job per slot at a time, answered after a service time with the hash of what came.
// node worker.mjs PORT NAME SLOTS [SERVICE_MS]   (the header x-service-ms overrides the service time)
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const [port, name, slots, serviceMs = '0'] = process.argv.slice(2)
const identity = process.env.ASR_INSTANCE_IDENTITY
const waiting = []
let running = 0
let progress = 0

function next() {
  while (running < Number(slots) && waiting.length > 0) {
    const job = waiting.shift()
    running += 1
    const ms = Number(job.request.headers['x-service-ms'] ?? serviceMs)
    const finish = () => {
      running -= 1
      progress += 1
      // Recorded before the answer is written: what was executed is known even if it is lost on the way.
      process.send?.({ executed: job.request.headers['x-request-id'] })
      answer(job.response, 200, { text: name, sha256: job.hash.digest('hex'), bytes: job.bytes })
      next()
    }
    if (ms > 0) setTimeout(finish, ms)
    else finish()
  }
}

function answer(response, status, value) {
  const body = JSON.stringify(value)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.url === '/health') {
    const timestamp = new Date().toISOString()
    answer(response, 200, {
      status: 'healthy',
      timestamp,
      instance: name,
      identity,
      slots: Number(slots),
      progress,
    })
    return
  }
  const job = { request, response, hash: createHash('sha256'), bytes: 0 }
  request.on('data', (chunk) => {
    job.bytes += chunk.length
    if (request.headers['x-no-hash'] === undefined) job.hash.update(chunk)
  })
  request.on('end', () => {
    waiting.push(job)
    next()
  })
}).listen(Number(port), '127.0.0.1')
process.on('disconnect', () => process.exit(0))
