import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { binOf, repositoryRoot, startCluster, startProgram } from '../harness/index.js'

const clips = join(repositoryRoot, 'models/demo/eval')
const hello = join(repositoryRoot, 'examples/hello.wav')

interface Result {
  requests: number
  succeeded: number
  successRate: number
  failures: Record<string, number>
  audioSecondsPerSecond: number
  latencyMs: { mean: number; p50: number; p90: number; p99: number; max: number }
  instances: { instance: string; requests: number }[]
  differingTexts: string[]
  interrupted: boolean
}

it('puts a closed and an open load on a cluster, writes the result and compares', async () => {
  await using cluster = await startCluster({ config: { groups: [{ instances: 2, weights: [3, 1] }] } })
  const read = async (name: string) => JSON.parse(await readFile(join(cluster.dir, name), 'utf8')) as Result

  const closed = await cluster.cli('bench', '--audio', clips, '-c', '4', '-n', '80', '--json', 'closed.json')
  expect(closed, closed.stderr).toMatchObject({ code: 0, stderr: '' })
  expect(closed.stdout).toContain('80 succeeded (100.00 %), 0 failed')
  const first = await read('closed.json')
  expect(first).toMatchObject({
    requests: 80,
    succeeded: 80,
    successRate: 1,
    failures: {},
    differingTexts: [],
  })
  expect(first.audioSecondsPerSecond).toBeGreaterThan(0)
  const { p50, p90, p99, max } = first.latencyMs
  expect([p50, p90, p99, max]).toEqual([p50, p90, p99, max].toSorted((a, b) => a - b))
  expect(first.instances.map(({ instance }) => instance)).toEqual(['default-0', 'default-1'])
  expect(first.instances.reduce((sum, { requests }) => sum + requests, 0)).toBe(80)

  const load = ['--rate', '20', '--duration', '1s', '--arrivals', 'constant']
  const files = ['--json', 'open.json', '--compare', 'closed.json']
  const open = await cluster.cli('bench', '--audio', hello, ...load, ...files)
  expect(open, open.stderr).toMatchObject({ code: 0 })
  expect(await read('open.json')).toMatchObject({ requests: 20, succeeded: 20 })
  expect(open.stdout).toMatch(/BEFORE +NOW +CHANGE/)
  expect(open.stdout).toContain('not the same then was the load: closed loop, 4 at once, 80 requests')
})

it('tells failures by their code and ends with 1', async () => {
  await using cluster = await startCluster({
    config: { balancer: { queue: { max: 1 } }, groups: [{ instances: 1, slots: 1 }] },
  })
  const crowded = await cluster.cli('bench', '--audio', clips, '-c', '16', '-n', '64', '--json', 'r.json')
  expect(crowded.code).toBe(1)
  expect(crowded.stdout).toMatch(/\d+ × queue_full/)
  const result = JSON.parse(await readFile(join(cluster.dir, 'r.json'), 'utf8')) as Result
  expect(result.succeeded + (result.failures['queue_full'] ?? 0)).toBe(64)

  const text = await cluster.cli('bench', '-c', '1', '--audio', join(repositoryRoot, 'README.md'))
  expect(text).toMatchObject({ code: 1, stdout: '' })
  expect(text.stderr).toMatch(/no request of the warm-up was answered .*not_audio \(warm_up\)/)
  const nobody = await cluster.cli('bench', '--audio', hello, '--url', 'http://127.0.0.1:9')
  expect(nobody.stderr).toContain('ECONNREFUSED')
  expect(await cluster.cli('bench', '--audio', hello, '--rate', '5')).toMatchObject({ code: 2 })
  expect(await cluster.cli('bench', '--audio', hello, '--duration', '5 apples')).toMatchObject({ code: 2 })
})

it('reports what it has when Ctrl-C comes', async () => {
  await using cluster = await startCluster({ config: { groups: [{ instances: 1 }] } })
  await using program = startProgram(binOf('asr-cluster'), {
    args: ['bench', '--url', cluster.url, '--audio', hello, '--duration', '1h', '--json', 'r.json'],
    cwd: cluster.dir,
  })
  await cluster.statusWhen('requests', ({ balancer }) => balancer.inFlight > 0)
  program.signal('SIGINT')
  expect(await program.exited).toEqual({ code: 1, signal: null })
  expect(program.stdout()).toContain('(interrupted)')
  expect(JSON.parse(await readFile(join(cluster.dir, 'r.json'), 'utf8'))).toMatchObject({ interrupted: true })
})
