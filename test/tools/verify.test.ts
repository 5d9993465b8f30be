import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  binOf,
  repositoryRoot,
  runProgram,
  startBalancer,
  startCluster,
  startInstance,
} from '../harness/index.js'

interface Report {
  ok: boolean
  checks: { name: string; ok: boolean; detail: string }[]
}

const failed = (stdout: string) => (JSON.parse(stdout) as Report).checks.filter(({ ok }) => !ok)

describe('verify', () => {
  it('ticks every line of a good cluster, and finds each thing that is wrong', async () => {
    await using cluster = await startCluster({
      config: { groups: [{ instances: 3, weights: [3, 2, 1] }] },
    })
    const good = await cluster.cli('verify')
    expect(good, good.stdout).toMatchObject({ code: 0, stderr: '' })
    const lines = good.stdout.trimEnd().split('\n')
    expect(lines.every((line) => line.startsWith('✓ '))).toBe(true)
    expect(good.stdout).toContain('“Welcome to the cluster.”')
    expect(good.stdout).toMatch(/balancing: 6 requests: default-0 3 .*default-1 2 .*default-2 1 /)
    for (const name of ['supervisor', 'balancer', 'default-2', 'ready for requests', 'mistakes', 'metrics']) {
      expect(good.stdout).toContain(`✓ ${name}: `)
    }

    const clip = join(repositoryRoot, 'models/demo/eval/001.wav')
    const words = await cluster.cli('verify', '--audio', clip, '--text', 'Sarah closed his memory', '--json')
    expect(words.code).toBe(1)
    expect(failed(words.stdout)).toEqual(
      ['transcription, OpenAI’s API', 'transcription, /asr'].map((name) => ({
        name,
        ok: false,
        detail: 'heard “Sarah opened his memory.”, expected “Sarah closed his memory”',
      })),
    )

    expect(await cluster.cli('stop', 'default-1')).toMatchObject({ code: 0 })
    const lame = await cluster.cli('verify', '--json')
    expect(lame.code).toBe(1)
    expect(failed(lame.stdout)).toMatchObject([
      {
        name: 'default-1',
        detail: expect.stringMatching(/^is stopped.*asr-cluster logs default-1/) as string,
      },
    ])
  })

  it('checks a balancer that runs alone by its address', async () => {
    await using instance = await startInstance()
    await using balancer = await startBalancer({ args: ['--upstream', instance.url] })
    await using cluster = await startCluster()
    const alone = await cluster.cli('verify', '--url', balancer.url)
    expect(alone, alone.stdout).toMatchObject({ code: 0 })
    expect(alone.stdout).not.toContain('supervisor')
    expect(alone.stdout).toMatch(/✓ balancing: \d+ requests/)
    const nobody = await cluster.cli('verify', '--url', 'http://127.0.0.1:9', '--json')
    expect(nobody.code).toBe(1)
    expect(failed(nobody.stdout).map(({ name }) => name)).toContain('port answers')
    expect(await cluster.cli('verify', '--audio', 'x.wav')).toMatchObject({ code: 2 })
  })
})

it('reaches every instance of a cluster that keeps answers and asks for a key', async () => {
  const key = 'a-key-for-this-test'
  await using cluster = await startCluster({
    config: { cache: { enabled: true }, auth: { apiKeys: [key] } },
    env: { ASR_CLUSTER_API_KEY: key },
  })
  const good = await cluster.cli('verify')
  expect(good, good.stdout).toMatchObject({ code: 0, stderr: '' })
  const load = await cluster.cli('bench', '--audio', join(repositoryRoot, 'examples/hello.wav'), '-n', '8')
  expect(load).toMatchObject({ code: 0 })
  expect(load.stdout).not.toContain('cache')
  const env = { ASR_CLUSTER_API_KEY: 'another-key' }
  const args = ['transcribe', '--url', cluster.url, join(repositoryRoot, 'examples/hello.wav')]
  const refused = await runProgram(binOf('asr-cluster'), { args, env })
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/\(unauthorized\)\n {2}Set ASR_CLUSTER_API_KEY/)
})
