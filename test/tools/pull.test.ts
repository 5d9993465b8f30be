import { mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { fakeHub, hubId, tinyModelDir } from '../../packages/tools/src/fixtures/fake-hub.js'
import { binOf, runProgram, startCluster } from '../harness/index.js'

const token = 'hf_only_for_the_hub'

it('pull, models, up: from a hub with bad manners to a cluster that answers', async () => {
  const content = await fakeHub()
  const hub = await fakeHub({ token, contentUrl: content.url })
  content.faults.set('model.safetensors', [{ breakAfter: 300_000 }, { ignoreRange: true }, { corrupt: true }])
  hub.faults.set('vocab.json', [{ status: 503, headers: { 'retry-after': '0' } }])
  const home = mkdtempSync(join(tmpdir(), 'asr-pull-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const env = {
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CACHE_HOME: join(home, 'cache'),
    HF_ENDPOINT: hub.url,
    HF_TOKEN: token,
  }
  const run = (args: string[], more: Record<string, string> = {}) =>
    runProgram(binOf('asr-cluster'), { args, env: { ...env, ...more }, cwd: home })

  expect(await run(['models'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('no model') as string,
  })
  const early = await run(['up', '--model', hubId])
  expect(early).toMatchObject({ code: 78, stdout: '' })
  expect(early.stderr).toContain(`asr-cluster pull ${hubId}`)

  const refused = await run(['pull', hubId], { HF_TOKEN: '' })
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/\(hub_unauthorized\)\n {2}.*set HF_TOKEN/)
  expect((await run(['pull', 'Tiny/Nothing'])).stderr).toContain('(hub_not_found)')
  expect((await run(['pull', 'nothing'])).code).toBe(2)

  const pulled = await run(['pull', hubId, '--quantization', 'int8'])
  expect(pulled, pulled.stderr).toMatchObject({ code: 0, stderr: '' })
  expect(pulled.stdout).toContain(`asr-cluster up --model ${hubId}`)
  expect(pulled.stdout).toMatch(/model\.safetensors: 1\.35 MB, checksum right/)
  expect(pulled.stdout + refused.stderr).not.toMatch(/hf_only|X-Signature/)
  expect(content.requests.map(({ authorization }) => authorization)).not.toContain(`Bearer ${token}`)

  const listed = await run(['models', '--json'])
  expect(JSON.parse(listed.stdout)).toMatchObject([
    {
      model: hubId,
      state: 'complete',
      compiled: ['int8'],
      dir: join(env.XDG_DATA_HOME, 'asr-cluster/models/Tiny--Qwen3-ASR-Tiny'),
    },
  ])
  expect((await run(['models'])).stdout).toMatch(/^MODEL .*\nTiny\/Qwen3-ASR-Tiny +1\.4\d MB +int8 /)

  const outdated = join(env.XDG_CACHE_HOME, 'asr-cluster', `${'ab'.repeat(12)}-int8-v1`)
  mkdirSync(outdated)
  writeFileSync(join(outdated, 'decoder.weights'), Buffer.alloc(2_500_000))
  expect((await run(['models'])).stdout).toContain('1 compiled model, 2.50 MB, unused')
  expect((await run(['models', '--prune'])).stdout).toBe('removed 1 compiled model, 2.50 MB\n')
  expect((await run(['models', '--prune'])).stdout).toMatch(/^nothing to remove/)
  expect(JSON.parse((await run(['models', '--json'])).stdout)).toMatchObject([{ compiled: ['int8'] }])

  expect((await run(['models', '--check', '--prune'])).code).toBe(2)
  expect((await run(['models', '--check'])).stdout).toBe('read 1 pulled and 1 compiled: all as written\n')
  const vocabulary = join(env.XDG_DATA_HOME, 'asr-cluster/models/Tiny--Qwen3-ASR-Tiny/vocab.json')
  writeFileSync(vocabulary, Buffer.alloc(statSync(vocabulary).size))
  const damaged = await run(['models', '--check'])
  expect([damaged.code, damaged.stdout]).toEqual([
    1,
    expect.stringContaining(': vocab.json has the SHA-256 '),
  ])
  await run(['pull', hubId, '--quantization', 'int8'])
  expect((await run(['models', '--check'])).code).toBe(0)

  await using cluster = await startCluster({
    flags: ['--model', hubId, '--instances', '1'],
    env,
  })
  const answer = await cluster.cli('transcribe', '--model', hubId, join(tinyModelDir, 'three_seconds.wav'))
  expect(answer, answer.stderr).toMatchObject({ code: 0, stderr: '' })
  expect(answer.stdout).not.toBe('\n')
  const wrong = await cluster.cli('transcribe', '--model', 'other/model', join(tinyModelDir, 'short.wav'))
  expect(wrong.stderr).toContain('(model_not_found)')
})
