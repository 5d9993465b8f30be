import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  clusterConfigSchema,
  controlSocketPath,
  startSupervisor,
} from '../../../packages/supervisor/dist/index.js'
import { exchange, firstStatus } from '../lib/raw.mjs'

const request = (head, body = '') =>
  Buffer.from(
    `${head} HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  )
/** Without `/down`, and without a group that exists: what is looked for is a crash, not an order that is carried out. */
export const seeds = [
  request('GET /status'),
  request('GET /logs?id=supervisor&lines=3'),
  request('GET /logs?lines=1e999&id=__proto__'),
  request('POST /scale', '{"targets":["nobody=3"]}'),
  request('POST /start', '{"ids":["x-0"]}'),
  request('POST /restart', '{"ids":[],"rolling":true}'),
  request('POST /reload', '{"dryRun":true}'),
  request('POST /stop', '{"__proto__":{"polluted":1},"ids":["constructor"]}'),
  request('POST /constructor', '{}'),
]
export const dictionary = [
  '{',
  '}',
  '[',
  '"ids":',
  'null',
  '1e999',
  '\\u0000',
  '../',
  '%00',
  '__proto__',
  'toString',
  '\r\n\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'Content-Length: 5\r\n',
]
export const parallel = 8

let supervisor
let dir
let socketPath
export async function open() {
  dir = mkdtempSync(join(tmpdir(), 'fuzz-'))
  const fixture = (name) =>
    fileURLToPath(new URL(`../../../packages/supervisor/src/fixtures/${name}`, import.meta.url))
  const command = (name) => [process.execPath, fixture(name)]
  supervisor = await startSupervisor({
    config: clusterConfigSchema.parse({
      balancer: { port: 0 },
      groups: [{ instances: 0 }],
      supervisor: { logs: { dir: join(dir, 'logs') } },
    }),
    stateDir: join(dir, 'state'),
    commands: {
      instance: command('fake-instance.js'),
      balancer: command('fake-balancer.js'),
      cli: command('none.js'),
    },
  })
  socketPath = controlSocketPath(join(dir, 'state'), supervisor.port)
}
export async function close() {
  await supervisor.shutDown()
  rmSync(dir, { recursive: true })
}

export async function run(bytes) {
  const text = bytes.toString('latin1')
  if (/\/down|follow=1|POST \/restart[^]*"ids":\s*\[\s*\]|balancer/.test(text)) return 'not sent'
  const status = firstStatus(await exchange({ path: socketPath }, bytes))
  if (supervisor.isShuttingDown()) throw new Error('the supervisor is going down')
  return status
}
