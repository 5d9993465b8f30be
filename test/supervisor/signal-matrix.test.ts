import { describe, expect, it } from 'vitest'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { expectNoneLeft, findMarked, fixtures, kill, startFakeCluster, waitFor } from '../harness/index.js'
import type { FakeCluster } from '../harness/index.js'

const signals = ['SIGTERM', 'SIGINT', 'SIGKILL'] as const
const targets = ['supervisor', 'balancer', 'own-0', 'grandchild'] as const
const phases = ['starting', 'ready', 'busy', 'draining', 'stopping'] as const
type Target = (typeof targets)[number]
type Phase = (typeof phases)[number]

/** How many processes a cluster of one instance and one wrapped server is made of: with guard, shell and server. */
const wholeCluster = 6

function start(phase: Phase): Promise<FakeCluster> {
  const env: Record<string, string> = {
    FAKE_LOAD_MS: phase === 'starting' ? '800' : '0',
    FAKE_WORK_MS: phase === 'busy' || phase === 'draining' ? '1000' : '0',
    ...(phase === 'stopping' ? { FAKE_IGNORE_SIGTERM: '1' } : {}),
  }
  // The shell forks and waits: the server that holds the port is a grandchild that nobody told about us.
  const trap = phase === 'stopping' ? "trap '' TERM; " : ''
  const server = [process.execPath, `${fixtures}wrapped-server.js`, '{port}']
  const command = ['sh', '-c', `${trap}"$0" "$1" "$2" & wait`, ...server]
  return startFakeCluster(
    {
      groups: [
        { name: 'own', instances: 1 },
        { name: 'wrapped', instances: 1, command, slots: 4 },
      ],
      supervisor: {
        stopTimeout: '1s',
        backoff: { base: '50ms', cap: '200ms' },
        liveness: { interval: '200ms', timeout: '1s', fall: 2 },
      },
    },
    env,
  )
}

const stateOf = (status: ClusterStatus, id: string): string | undefined =>
  status.instances.find((instance) => instance.id === id)?.state

/** Instance that the phase and the target are about. */
const subject = (target: Target): string => (target === 'grandchild' ? 'wrapped-0' : 'own-0')

/** Brings the cluster into the phase; requests that it starts may fail later. */
async function enter(cluster: FakeCluster, phase: Phase, target: Target): Promise<void> {
  const id = subject(target)
  if (phase === 'starting') {
    await cluster.statusWhen('a start', ({ instances }) =>
      instances.every(({ state, pid }) => state === 'starting' && pid !== null),
    )
    return
  }
  await cluster.statusWhen(
    'all ready',
    ({ instances, balancer }) => balancer.pid !== null && instances.every(({ state }) => state === 'ready'),
  )
  // Its process may be there before it listens.
  await waitFor(async () => (await fetch(`${cluster.url}/healthz`)).ok, { what: 'the balancer to listen' })
  if (phase === 'ready') return
  if (phase === 'busy' || phase === 'draining') {
    for (let index = 0; index < 4; index += 1) void fetch(cluster.url, { method: 'POST' }).catch(() => {})
    await cluster.statusWhen('requests in flight', ({ instances }) =>
      instances.every(({ inFlight }) => inFlight > 0),
    )
  }
  if (phase === 'busy') return
  void cluster.operate('stop', { ids: [id] }).catch(() => {})
  await cluster.statusWhen(phase, (status) => stateOf(status, id) === phase)
}

async function pidOf(cluster: FakeCluster, target: Target): Promise<number> {
  if (target === 'supervisor') return cluster.program.pid
  if (target === 'grandchild') {
    const isServer = ({ command }: { command: string }): boolean =>
      /^\S+ \S+wrapped-server\.js \d+$/.test(command)
    return waitFor(() => findMarked(cluster.program.mark).find(isServer)?.pid, { what: 'the grandchild' })
  }
  const { balancer, instances } = await cluster.status()
  const pid = target === 'balancer' ? balancer.pid : instances.find(({ id }) => id === target)?.pid
  if (!pid) throw new Error(`${target} has no process`)
  return pid
}

// Most of a case is waiting, so as many run at a time as the runner allows.
describe.concurrent.each(phases)('while it is %s', (phase) => {
  describe.each(targets)('%s', (target) => {
    it.each(signals)('gets %s', async (signal) => {
      await using cluster = await start(phase)
      await enter(cluster, phase, target)
      kill(await pidOf(cluster, target), signal)

      if (target === 'supervisor') {
        const exit = await cluster.program.exited
        expect(exit).toEqual(signal === 'SIGKILL' ? { code: null, signal } : { code: 0, signal: null })
        // Without a process no port is held; looking for one would find whoever was given it next.
        await expectNoneLeft(cluster.program.mark)
        return
      }
      // What was told to stop stays stopped; everything else comes back, whoever was killed, and serves.
      const isStopped = phase === 'draining' || phase === 'stopping'
      await cluster.statusWhen(
        'the state that was wanted',
        (status) =>
          status.balancer.pid !== null &&
          status.instances.every(
            ({ id, state }) => state === (isStopped && id === subject(target) ? 'stopped' : 'ready'),
          ),
      )
      await waitFor(async () => (await fetch(cluster.url, { method: 'POST' })).ok, { what: 'an answer' })
      const gone = isStopped ? (target === 'grandchild' ? 2 : 1) : 0
      await waitFor(() => findMarked(cluster.program.mark).length === wholeCluster - gone, {
        what: 'no process too many',
        context: () => JSON.stringify(findMarked(cluster.program.mark), null, 1) + cluster.program.output(),
      })
    })
  })
})
