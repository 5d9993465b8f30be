import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../fixtures/in-process-cluster.js'
import { streamLogs } from './stream-logs.js'

let running: InProcessCluster
afterEach(() => running.close())

it('knows the programs of the cluster also before they write anything', async () => {
  running = await startInProcess(`groups:\n${fakeGroup('a', 'instances: 1')}`)
  const { cluster, states, until } = running
  await until(() => states() === 'a-0=ready')
  const ask = async (id: string): Promise<unknown[]> => {
    const lines: unknown[] = []
    const request = { id, lines: 10, follow: false }
    await streamLogs(cluster, request, (line) => lines.push(line), new AbortController().signal)
    return lines
  }
  expect(await ask('a-0')).toEqual([])
  expect(await ask('balancer')).toEqual([])
  expect(await ask('a-1')).toEqual([{ error: 'no log of `a-1`; there are a-0, balancer' }])
})
