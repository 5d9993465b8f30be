import { openAsBlob, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  expectNoneLeft,
  findMarked,
  fixtures,
  isAlive,
  kill,
  repositoryRoot,
  startCluster,
  waitFor,
} from '../harness/index.js'

const hello = join(repositoryRoot, 'examples/hello.wav')

async function transcribe(url: string): Promise<{ status: number; text: string; instance: string | null }> {
  const form = new FormData()
  form.set('audio', await openAsBlob(hello), 'hello.wav')
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  const body = (await response.json()) as { text: string }
  return { status: response.status, text: body.text, instance: response.headers.get('x-asr-instance') }
}

describe('a cluster from up to down', () => {
  it('serves, shows itself, and leaves nothing behind', async () => {
    await using cluster = await startCluster()
    const status = await cluster.status()
    expect(status.instances.map(({ id, state }) => [id, state])).toEqual([
      ['default-0', 'ready'],
      ['default-1', 'ready'],
    ])
    expect(status.supervisor.pid).toBe(cluster.program.pid)
    const balancer = findMarked(cluster.program.mark).find(({ pid }) => pid === status.balancer.pid)
    expect(balancer?.command).toMatch(/ --single-threaded-gc \S+asr-balancer\.js /)
    const answer = await transcribe(cluster.url)
    expect(answer.status).toBe(200)
    expect(answer.text).not.toBe('')

    const second = await cluster.cli('up', '--port', String(cluster.port))
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('already runs')

    const logs = await cluster.cli('logs', 'default-0')
    expect(logs.stdout).toContain('ready')
    expect((await cluster.cli('logs', 'nobody')).code).toBe(1)

    const down = await cluster.cli('down')
    expect(down).toMatchObject({ code: 0 })
    expect(await cluster.program.exited).toEqual({ code: 0, signal: null })
    expect(findMarked(cluster.program.mark)).toEqual([])
    const after = await cluster.cli('status')
    expect(after.code).toBe(1)
    expect(after.stderr).toContain('no cluster runs')
  })

  it('finishes a request that is running when Ctrl-C comes', async () => {
    await using cluster = await startCluster()
    const answers = Array.from({ length: 40 }, () => transcribe(cluster.url))
    // Two instances cannot have finished them all when the first one is.
    await Promise.race(answers)
    cluster.program.signal('SIGINT')
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(statuses).toEqual(Array.from({ length: 40 }, () => 200))
    expect(await cluster.program.exited).toEqual({ code: 0, signal: null })
    expect(findMarked(cluster.program.mark)).toEqual([])
  })
})

describe('Ctrl-C', () => {
  it('says what it waits for, and at the second time waits no more', async () => {
    const command = [process.execPath, `${fixtures}wrapped-server.js`, '{port}']
    await using cluster = await startCluster({
      config: { groups: [{ name: 'slow', instances: 1, command, env: { FAKE_WORK_MS: 600_000 } }] },
    })
    const lost = transcribe(cluster.url).catch((error: unknown) => error)
    await cluster.statusWhen('a request in flight', ({ balancer }) => balancer.inFlight === 1)
    cluster.program.signal('SIGINT')
    await cluster.program.printed(/still waiting for 1 request \(1 on slow-0\)/)
    cluster.program.signal('SIGINT')
    expect(await cluster.program.exited).toEqual({ code: 1, signal: null })
    expect(findMarked(cluster.program.mark)).toEqual([])
    await lost
  })
})

describe.concurrent('a balancer that retires with a request', () => {
  it.each(['a second Ctrl-C', 'the death of the supervisor'])('ends with %s', async (what) => {
    const command = [process.execPath, `${fixtures}wrapped-server.js`, '{port}']
    await using cluster = await startCluster({
      config: { groups: [{ name: 'slow', instances: 1, command, env: { FAKE_WORK_MS: 600_000 } }] },
    })
    const lost = transcribe(cluster.url).catch((error: unknown) => error)
    await cluster.statusWhen('a request in flight', ({ balancer }) => balancer.inFlight === 1)
    const retiring = await cluster.pidOf('balancer')
    expect((await cluster.cli('restart', 'balancer')).code).toBe(0)
    expect(await cluster.pidOf('balancer')).not.toBe(retiring)
    expect(isAlive(retiring)).toBe(true)
    if (what === 'a second Ctrl-C') {
      cluster.program.signal('SIGINT')
      await cluster.program.printed(/still waiting for .*balancer \(draining, pid \d+\)/)
      cluster.program.signal('SIGINT')
      expect(await cluster.program.exited).toEqual({ code: 1, signal: null })
      expect(findMarked(cluster.program.mark)).toEqual([])
    } else {
      kill(cluster.program.pid, 'SIGKILL')
      await expectNoneLeft(cluster.program.mark)
    }
    await lost
  })
})

describe('kill -9', () => {
  it('of the supervisor leaves nothing', async () => {
    await using cluster = await startCluster()
    expect(findMarked(cluster.program.mark).length).toBeGreaterThan(3)
    kill(cluster.program.pid, 'SIGKILL')
    await expectNoneLeft(cluster.program.mark)
    // The socket file is left over, and must not keep the next one from starting.
    const next = await cluster.cli('status', '--port', String(cluster.port))
    expect(next.stderr).toContain('no cluster runs')
  })

  it('of the balancer only makes connections wait', async () => {
    await using cluster = await startCluster()
    const before = await cluster.pidOf('balancer')
    kill(before, 'SIGKILL')
    expect(await transcribe(cluster.url)).toMatchObject({ status: 200 })
    const { balancer } = await cluster.statusWhen('a new balancer', (status) => status.balancer.pid !== null)
    expect(balancer).toMatchObject({ port: cluster.port })
    expect(balancer.pid).not.toBe(before)
  })

  it('of an instance brings a new one, with a report of the death', async () => {
    await using cluster = await startCluster()
    const pid = await cluster.pidOf('default-1')
    kill(pid, 'SIGKILL')
    const status = await cluster.statusWhen(
      'default-1 to be back',
      ({ instances }) => instances[1]?.restarts === 1 && instances[1].state === 'ready',
    )
    expect(isAlive(pid)).toBe(false)
    expect(status.instances[1]?.lastExit).toMatchObject({ code: null, signal: 'SIGKILL' })
    const metrics = await waitFor(
      async () => {
        const text = await (await fetch(`${cluster.url}/metrics`)).text()
        return text.includes('asr_instance_restarts_total{') ? text : null
      },
      { what: 'the restart to be counted' },
    )
    expect(metrics).toMatch(/asr_instance_restarts_total\{instance="default-1",reason="crash"\} 1/)
  })
})

describe.concurrent('up', () => {
  it('refuses a wrong configuration with its place', async () => {
    await using cluster = await startCluster({
      config: { balancer: { port: 70_000 } },
      dontWait: true,
    })
    expect(await cluster.program.exited).toEqual({ code: 78, signal: null })
    expect(cluster.program.stderr()).toMatch(/asr-cluster\.yaml:1:\d+: `balancer\.port`/)
  })

  it('with a model that cannot be loaded says why and ends with 78', async () => {
    await using cluster = await startCluster({
      config: { groups: [{ model: join(repositoryRoot, 'docs'), instances: 1 }] },
      dontWait: true,
    })
    expect(await cluster.program.exited).toEqual({ code: 78, signal: null })
    expect(cluster.program.stdout()).toContain('default-0 failed')
    expect(findMarked(cluster.program.mark)).toEqual([])
  })

  it('--detach returns when it is ready and logs to a file', async () => {
    await using cluster = await startCluster({ flags: ['--detach'] })
    expect(await cluster.program.exited).toEqual({ code: 0, signal: null })
    expect(await transcribe(cluster.url)).toMatchObject({ status: 200 })
    expect(readFileSync(join(cluster.dir, 'logs/supervisor.log'), 'utf8')).toContain(
      'default-1 starting → ready',
    )
    expect((await cluster.cli('down')).code).toBe(0)
    expect(findMarked(cluster.program.mark)).toEqual([])
  })
})
