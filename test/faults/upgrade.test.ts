import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bindListeningSocket } from '@asr-cluster/supervisor'
import { joinedClips } from '../api/api-client.ts'
import {
  binOf,
  repositoryRoot,
  runProgram,
  startCluster,
  startLoad,
  startUp,
  waitFor,
} from '../harness/index.js'
import type { TestCluster } from '../harness/index.js'

const audio = join(repositoryRoot, 'examples/hello.wav')

/** What a second `up` needs to be about the same cluster as the first. */
const beside = (cluster: TestCluster) => ({
  env: { XDG_RUNTIME_DIR: join(cluster.dir, 'run') },
  cwd: cluster.dir,
})

it('a second `up` says that one runs already, and touches nothing', async () => {
  await using cluster = await startCluster()
  await using load = await startLoad(cluster.url, { clients: 4, audio, pauseMs: 100 })
  await waitFor(() => load.answered() > 5, { what: 'the load to flow' })
  const before = (await cluster.status()).instances.map(({ pid }) => pid)
  const second = await runProgram(binOf('asr-cluster'), {
    args: ['up', '--port', String(cluster.port), '--base-port', '0'],
    ...beside(cluster),
  })
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`a cluster already runs on port ${cluster.port}`)
  expect(second.stderr).toContain('asr-cluster down')
  const answered = load.answered()
  await waitFor(() => load.answered() > answered + 5, { what: 'the load to flow on' })
  expect((await cluster.status()).instances.map(({ pid }) => pid)).toEqual(before)
  expect((await load.stop()).failures).toEqual([])
})

it('restarts balancer and instances from the files that are there now, under load, without a failed request', async () => {
  await using cluster = await startCluster()
  await using load = await startLoad(cluster.url, { clients: 4, audio, pauseMs: 100 })
  await waitFor(() => load.answered() > 5, { what: 'the load to flow' })
  const pidsOf = async (): Promise<(number | null)[]> => {
    const { balancer, instances, supervisor } = await cluster.status()
    return [supervisor.pid, balancer.pid, ...instances.map(({ pid }) => pid)]
  }
  const before = await pidsOf()
  expect((await cluster.cli('restart', '--rolling')).code).toBe(0)
  expect((await cluster.cli('restart', 'balancer')).code).toBe(0)
  const after = await pidsOf()
  expect(after[0]).toBe(before[0])
  expect(after.slice(1).filter((pid) => before.includes(pid))).toEqual([])
  expect((await load.stop()).failures).toEqual([])
})

it('takes the place of the old one without a failed request where both were handed the same socket', async () => {
  const socket = bindListeningSocket('127.0.0.1', 0)
  try {
    await using cluster = await startCluster({ socket })
    expect(cluster.port).toBe(socket.port)
    await using load = await startLoad(cluster.url, { clients: 4, audio, pauseMs: 100 })
    await waitFor(() => load.answered() > 5, { what: 'the load to flow' })
    await using next = startUp(['--replace'], socket, beside(cluster))
    await next.printed(/clients wait in the socket/)
    expect(await cluster.program.exited).toEqual({ code: 0, signal: null })
    await next.printed(/serving on/)
    const answered = load.answered()
    await waitFor(() => load.answered() > answered + 5, { what: 'the load to flow on' })
    expect((await load.stop()).failures).toEqual([])
  } finally {
    socket.close()
  }
})

it('says that clients are refused meanwhile where it cannot have the socket, and finishes what is in flight', async () => {
  await using cluster = await startCluster()
  const inFlight = [1, 2, 3, 4].map(() => ask(cluster.url))
  await cluster.statusWhen('requests in flight', ({ instances }) =>
    instances.some(({ inFlight: n }) => n > 0),
  )
  await using next = startUp(['--replace', '--port', String(cluster.port)], undefined, beside(cluster))
  await next.printed(/draining the cluster that runs on port \d+ .* clients are refused/)
  expect(await Promise.all(inFlight)).toEqual([200, 200, 200, 200])
  expect(await cluster.program.exited).toEqual({ code: 0, signal: null })
  await next.printed(/serving on/)
  expect(await ask(cluster.url)).toBe(200)
})

/** Sends a recording of minutes, which takes some seconds. */
async function ask(url: string): Promise<number> {
  const { wav } = await joinedClips(60)
  const form = new FormData()
  form.set('audio', new Blob([wav]), 'long.wav')
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  await response.text()
  return response.status
}
