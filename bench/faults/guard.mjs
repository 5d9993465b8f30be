// What it costs an instance to know whose a connection is: node bench/faults/guard.mjs [--sockets 50,5000]
// One request on a new connection: unguarded, with the proof that balancer and supervisor show, and looked up in the
// kernel's table, which is longer the more sockets the machine has. `many`: the same for 100 connections at once.
import { createServer, request } from 'node:http'
import net from 'node:net'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { ConnectionGuard } from '../../packages/asr-instance/dist/guard/connection-guard.js'
import { createOwnerLookup, readSystemTable } from '../../packages/asr-instance/dist/guard/owner-lookup.js'
import { callerHeader, callerProof } from '../../packages/protocol/dist/index.js'
import { quantile } from '../balancer/lib/load.mjs'

const { values } = parseArgs({
  options: { sockets: { type: 'string', default: '50,5000' }, rounds: { type: 'string', default: '200' } },
})
const rounds = Number(values.rounds)
const identity = 'secret'

async function serve(guard) {
  const server = createServer()
  guard?.watch(server)
  server.on('request', (req, res) => {
    const answer = () => res.end('yes')
    if (guard) guard.admit(req.socket, req.headers, answer)
    else answer()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server.address().port
}

function ask(port, headers = {}) {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', agent: false, headers }, (response) => {
      response.resume().on('end', () => resolve(performance.now() - startedAt))
    })
      .on('error', reject)
      .end()
  })
}

async function openSockets(count) {
  const sink = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(sink, 'listening')
  const sockets = []
  while (sockets.length < count / 2) {
    const batch = Array.from({ length: Math.min(100, count / 2 - sockets.length) }, () =>
      net.connect(sink.address().port, '127.0.0.1'),
    )
    await Promise.all(batch.map((socket) => once(socket, 'connect')))
    sockets.push(...batch)
  }
  return () => {
    for (const socket of sockets) socket.destroy()
    sink.close()
  }
}

const guard = new ConnectionGuard({
  identity,
  allowUsers: [process.getuid()],
  ownerOf: createOwnerLookup(),
  onRefused: (uid) => console.error(`refused ${uid}`),
})
const [open, guarded] = [await serve(undefined), await serve(guard)]
const proof = { [callerHeader]: callerProof(identity) }
console.log('| sockets of the machine | unguarded, ms | with the proof | looked up | many looked up, each |')
console.log('| - | - | - | - | - |')
for (const count of values.sockets.split(',').map(Number)) {
  const close = await openSockets(count)
  const times = { open: [], proof: [], looked: [], many: [] }
  for (let round = 0; round < rounds; round += 1) {
    times.open.push(await ask(open))
    times.proof.push(await ask(guarded, proof))
    times.looked.push(await ask(guarded))
  }
  for (let round = 0; round < 10; round += 1) {
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 100 }, () => ask(guarded)))
    times.many.push((performance.now() - startedAt) / 100)
  }
  const lines = (await readSystemTable('tcp')).split('\n').length - 2
  const cells = Object.values(times).map((list) =>
    quantile(
      list.sort((a, b) => a - b),
      0.5,
    ).toFixed(2),
  )
  console.log(`| ${[lines, ...cells].join(' | ')} |`)
  close()
}
process.exit()
