import { join } from 'node:path'
import { expect, it } from 'vitest'
import { binOf, repositoryRoot, runProgram, startCluster, startLoad, waitFor } from '../harness/index.js'

const audio = join(repositoryRoot, 'examples/hello.wav')

it('a second `up` says that one runs already, and touches nothing', async () => {
  await using cluster = await startCluster()
  await using load = await startLoad(cluster.url, { clients: 4, audio })
  await waitFor(() => load.answered() > 5, { what: 'the load to flow' })
  const before = (await cluster.status()).instances.map(({ pid }) => pid)
  const second = await runProgram(binOf('asr-cluster'), {
    args: ['up', '--port', String(cluster.port), '--base-port', '0'],
    env: { XDG_RUNTIME_DIR: join(cluster.dir, 'run') },
    cwd: cluster.dir,
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
  await using load = await startLoad(cluster.url, { clients: 4, audio })
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
