import { once } from 'node:events'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { describe, expect, it } from 'vitest'
import { findMarked, repositoryRoot, startCluster, startLoad, waitFor } from '../harness/index.js'
import type { Load, TestCluster } from '../harness/index.js'

const audio = join(repositoryRoot, 'examples/hello.wav')

/** A cluster under the load of 16 clients; at the end no request may have failed. */
async function underLoad(
  cluster: TestCluster,
  action: (load: Load) => Promise<void>,
): Promise<Map<string, number>> {
  await using load = await startLoad(cluster.url, { clients: 16, audio, pauseMs: 500 })
  await waitFor(() => load.answered() > 20, { what: 'the load to flow' })
  await action(load)
  const before = load.answered()
  await waitFor(() => load.answered() > before + 20, { what: 'the load to flow on' })
  const { failures, perInstance } = await load.stop()
  expect(failures).toEqual([])
  return perInstance
}

/** Fails with what the command printed. */
async function succeed(cluster: TestCluster, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.cli(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

const ids = async (cluster: TestCluster): Promise<string[]> =>
  (await cluster.status()).instances.map(({ id }) => id)

describe('under load, without a failed request', () => {
  it('restarts one after the other, never with less than one missing', async () => {
    await using cluster = await startCluster()
    const pids = (await cluster.status()).instances.map(({ pid }) => pid)
    await underLoad(cluster, async () => {
      expect(await succeed(cluster, 'restart', '--rolling')).toContain('2 of 2 restarted')
    })
    const { instances } = await cluster.status()
    expect(instances.map(({ restarts }) => restarts)).toEqual([1, 1])
    expect(instances.some(({ pid }) => pids.includes(pid))).toBe(false)
    const states = cluster.program.stdout().matchAll(/^(default-\d) \S+ → (draining|ready)/gm)
    expect([...states].map(([, id, state]) => `${id} ${state}`).slice(2)).toEqual([
      'default-0 draining',
      'default-0 ready',
      'default-1 draining',
      'default-1 ready',
    ])
  })

  it('scales up and down again', async () => {
    await using cluster = await startCluster()
    const seen = await underLoad(cluster, async (load) => {
      await succeed(cluster, 'scale', '5')
      const before = load.answered()
      await waitFor(() => load.answered() > before + 30, { what: 'the new ones to work' })
      await succeed(cluster, 'scale', 'default=2')
    })
    expect(await ids(cluster)).toEqual(['default-0', 'default-1'])
    expect([...seen.keys()].toSorted()).toEqual(Array.from({ length: 5 }, (_, index) => `default-${index}`))
  })

  it('hands the port over to another balancer', async () => {
    await using cluster = await startCluster()
    const before = await cluster.pidOf('balancer')
    await underLoad(cluster, async () => {
      await succeed(cluster, 'restart', 'balancer')
    })
    expect(await cluster.pidOf('balancer')).not.toBe(before)
  })

  it('keeps the connections of balancers before, of no more than three of them', async () => {
    await using cluster = await startCluster({ config: { groups: [{ instances: 1 }] } })
    const oldClients = Array.from({ length: 2 }, () => new Agent({ connections: 1 }))
    const ask = async (dispatcher: Agent): Promise<unknown> => {
      const { statusCode, headers, body } = await request(`${cluster.url}/v1/models`, { dispatcher })
      await body.dump()
      return [statusCode, headers['connection']]
    }
    for (const client of oldClients) expect(await ask(client)).toEqual([200, 'keep-alive'])
    const closed = once(oldClients[1] as Agent, 'disconnect')
    const balancers = (): number =>
      findMarked(cluster.program.mark).filter(({ command }) => command.includes('asr-balancer')).length
    for (let count = 2; count <= 4; count += 1) {
      // A client that stays, for each of them.
      await succeed(cluster, 'restart', 'balancer')
      expect(balancers()).toBe(count)
      const client = new Agent({ connections: 1 })
      expect(await ask(client)).toEqual([200, 'keep-alive'])
      oldClients.push(client)
    }
    // The first balancer of all still answers, once for each connection.
    expect(await ask(oldClients[0] as Agent)).toEqual([200, 'close'])
    await succeed(cluster, 'restart', 'balancer')
    await closed
    await waitFor(() => balancers() === 4, { what: 'the oldest to end' })
    for (const client of oldClients.slice(2, 4)) expect(await ask(client)).toEqual([200, 'close'])
    await waitFor(() => balancers() === 2, { what: 'those without connections to end' })
    const { code } = await cluster.cli('down')
    expect(code).toBe(0)
    expect(findMarked(cluster.program.mark)).toEqual([])
    await Promise.all(oldClients.map((client) => client.destroy()))
  })

  it('reloads weights, the balancer, a model, and groups that come and go', async () => {
    await using cluster = await startCluster({
      config: { groups: [{ name: 'a' }, { name: 'b', instances: 1 }] },
    })
    const model = join(cluster.dir, 'other-model')
    mkdirSync(model)
    cpSync(join(repositoryRoot, 'models/demo'), model, { recursive: true })
    await underLoad(cluster, async () => {
      cluster.writeConfig({
        groups: [
          { name: 'a', weights: [5, 1] },
          { name: 'b', instances: 1 },
        ],
      })
      expect(await succeed(cluster, 'reload', '--dry-run')).toContain('weights → [5,1]')
      expect((await cluster.status()).instances[0]?.weight).toBe(1)
      const pids = (await cluster.status()).instances.map(({ pid }) => pid)
      await succeed(cluster, 'reload')
      const status = await cluster.status()
      expect(status.instances.map(({ weight }) => weight)).toEqual([5, 1, 1])
      expect(status.instances.map(({ pid }) => pid)).toEqual(pids)

      cluster.writeConfig({
        balancer: { policy: 'least-outstanding' },
        groups: [
          { name: 'a', model },
          { name: 'c', instances: 1 },
        ],
      })
      const said = await succeed(cluster, 'reload')
      expect(said).toContain('added    group c')
      expect(said).toContain('removed  group b')
      expect(said).toContain('changed  group a: model')
    })
    const { balancer, instances } = await cluster.status()
    expect(balancer.policy).toBe('least-outstanding')
    expect(instances.map(({ id, model: name, state }) => [id, name === model, state])).toEqual([
      ['a-0', true, 'ready'],
      ['a-1', true, 'ready'],
      ['c-0', false, 'ready'],
    ])
    expect(await succeed(cluster, 'reload')).toContain('nothing to do')
  })

  it('keeps the old model when the new one does not load, and says why', async () => {
    await using cluster = await startCluster()
    const broken = join(cluster.dir, 'broken')
    cpSync(join(repositoryRoot, 'models/demo'), broken, { recursive: true })
    rmSync(join(broken, 'model.safetensors'))
    const before = (await cluster.status()).instances
    await underLoad(cluster, async () => {
      cluster.writeConfig({ groups: [{ model: broken }] })
      const { code, stderr } = await cluster.cli('reload')
      expect(code).toBe(1)
      expect(stderr).toContain('default-next is failed: exited with code 78 (wrong configuration or model)')
    })
    const after = (await cluster.status()).instances
    expect(after.map(({ id, pid, model }) => ({ id, pid, model }))).toEqual(
      before.map(({ id, pid, model }) => ({ id, pid, model })),
    )
  })
})

describe('stop and start', () => {
  it('take single instances out and bring them back', async () => {
    await using cluster = await startCluster()
    await succeed(cluster, 'stop', 'default-0')
    const perInstance = await underLoad(cluster, async () => {})
    expect([...perInstance.keys()]).toEqual(['default-1'])
    expect((await cluster.status()).instances[0]).toMatchObject({ state: 'stopped', pid: null })
    await succeed(cluster, 'start', 'default-0')
    expect((await cluster.status()).instances[0]).toMatchObject({ state: 'ready' })
    const unknown = await cluster.cli('stop', 'nobody')
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no instance') as string,
    })
    expect((await cluster.cli('scale', 'many')).code).toBe(2)
    const json = await cluster.cli('restart', 'default-1', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true })
  })
})
