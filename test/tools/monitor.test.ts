import { join } from 'node:path'
import { expect, it } from 'vitest'
import {
  binOf,
  kill,
  repositoryRoot,
  startBalancer,
  startCluster,
  startInstance,
  startProgram,
} from '../harness/index.js'

interface View {
  requestsPerSecond: number
  p50Seconds: number | null
  instances: {
    id: string
    state: string
    requestsPerSecond: number
    p95Seconds: number | null
    restarts: number
  }[]
  trouble: string | null
}

it('shows instances and rates, and ends by itself', async () => {
  await using cluster = await startCluster()
  await using load = startProgram(binOf('asr-cluster'), {
    args: [
      'bench',
      '--url',
      cluster.url,
      '--audio',
      join(repositoryRoot, 'examples/hello.wav'),
      '--duration',
      '1h',
    ],
  })
  await cluster.statusWhen('requests', ({ balancer }) => balancer.inFlight > 0)
  const { code, stdout, stderr } = await cluster.cli('monitor', '-n', '3', '--interval', '500ms', '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const views = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as View)
  expect(views).toHaveLength(3)
  const last = views.at(-1)!
  expect(last.requestsPerSecond).toBeGreaterThan(0)
  expect(last.p50Seconds).toBeGreaterThan(0)
  expect(last.instances.map(({ id, state }) => [id, state])).toEqual([
    ['default-0', 'ready'],
    ['default-1', 'ready'],
  ])
  for (const { requestsPerSecond, p95Seconds } of last.instances) {
    expect(requestsPerSecond).toBeGreaterThan(0)
    expect(p95Seconds).toBeGreaterThan(0)
  }
  load.signal('SIGINT')
  await load.exited

  const plain = await cluster.cli('monitor', '-n', '1', '--interval', '100ms')
  expect(plain.code).toBe(0)
  const lines = plain.stdout.split('\n')
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
  expect(plain.stdout).toMatch(/^INSTANCE +STATE +LOAD/m)
  expect(plain.stdout).toMatch(/^default-1 +ready /m)
  expect(plain.stdout).not.toContain('\u001b')
})

it('goes on while the cluster is in trouble, until Ctrl-C', async () => {
  await using cluster = await startCluster()
  await using program = startProgram(binOf('asr-cluster'), {
    args: ['monitor', '--port', String(cluster.port), '--interval', '100ms', '--json'],
    env: { XDG_RUNTIME_DIR: join(cluster.dir, 'run') },
  })
  await program.printed(/"trouble":null/)
  kill(cluster.program.pid, 'SIGKILL')
  await program.printed(/"trouble":"[^"]+"/)
  program.signal('SIGINT')
  expect(await program.exited).toEqual({ code: 0, signal: null })
})

it('watches a balancer that runs alone', async () => {
  await using instance = await startInstance()
  await using balancer = await startBalancer({ args: ['--upstream', instance.url] })
  await using program = startProgram(binOf('asr-cluster'), {
    args: ['monitor', '--url', balancer.url, '-n', '1', '--interval', '100ms'],
  })
  expect(await program.exited).toEqual({ code: 0, signal: null })
  expect(program.stdout()).toMatch(/^upstream-0 +up /m)
})
