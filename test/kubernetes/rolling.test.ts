import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { startBalancer, waitFor } from '../harness/index.js'
import { FakeApiServer } from './api-server.js'
import { startCountedLoad } from './counted-load.js'
import { Deployment } from './deployment.js'

/** `node bench/scaling/rolling.mjs` runs this with 5,000. */
const requests = Number(process.env['ASR_TEST_REQUESTS'] ?? 600)
const deadlineMs = 600_000

it(
  'loses nothing while every pod is replaced, and while the API server is away in between',
  async () => {
    const port = await freePort()
    await using api = await FakeApiServer.start()
    await using pods = new Deployment(api, { replicas: 4, slots: 4, serviceMs: 20, port, deadlineMs })
    await pods.start()
    const first = pods.names
    await using balancer = await startBalancer({
      args: ['--upstream', `kubernetes+http://asr:${port}`],
      env: { KUBECONFIG: api.kubeconfig },
      deadlineMs,
    })
    await waitFor(async () => (await fetch(`${balancer.url}/readyz`)).ok, {
      what: 'the balancer to be ready',
    })
    let replaced = 0
    const load = startCountedLoad(balancer.url, { requests, clients: 24, enough: () => replaced >= 2 })
    while (load.sent() < requests || replaced < 2) {
      await pods.replaceAll()
      replaced += 1
      await api.leave()
      api.compact()
      await api.return()
      await waitFor(() => api.watchers === 1, { what: 'the balancer to watch again' })
    }
    await load.done
    console.log(
      `${load.sent()} requests, ${load.failures.length} failed, ${load.perInstance.size} pods in ${replaced} replacements, ` +
        `longest ${Math.round(load.longestMs())} ms`,
    )
    expect(load.failures, balancer.program.output()).toEqual([])
    expect(pods.names.some((name) => first.includes(name))).toBe(false)
    expect(load.perInstance.size).toBeGreaterThanOrEqual(8)
  },
  deadlineMs,
)

/** Free at every loopback address at the moment. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
