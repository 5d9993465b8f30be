import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, onTestFinished } from 'vitest'
import { httpGet, ProbeTimeoutError } from './http-get.js'

it('gives up a server that takes connections and says nothing, though garbage is collected meanwhile', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const server = createServer((socket) => socket.unref()).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => void server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const abort = new AbortController()
  const failure = httpGet(`http://127.0.0.1:${port}/`, 200, abort.signal).catch((error: unknown) => error)
  await sleep(50)
  collect()
  expect(await Promise.race([failure, sleep(5_000, 'waits for ever')])).toBeInstanceOf(ProbeTimeoutError)
})
