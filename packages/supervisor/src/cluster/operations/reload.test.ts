import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../../fixtures/in-process-cluster.js'

let running: InProcessCluster
afterEach(() => running.close())

const before = `groups:\n${fakeGroup('a', 'instances: 1')}${fakeGroup('b', 'instances: 1')}${fakeGroup('old', 'instances: 1')}`
const after = `groups:\n${fakeGroup('a', 'instances: 2')}${fakeGroup('b', 'instances: 2, env: { X: new }')}`

it('changes nothing when what a group gets more does not come up, and takes it at the next try', async () => {
  running = await startInProcess(before, { broken: new Set(['a-1']) })
  const { cluster, manners, operate, states, until } = running
  await until(() => states() === 'a-0=ready b-0=ready old-0=ready')
  cluster.counts.set('old', 1)
  const config = cluster.config()
  const pids = cluster.instances().map(({ process }) => process.pid())
  running.setNext(after)
  const { ok, message } = await operate('reload')
  expect(ok).toBe(false)
  expect(message).toContain('a-1 is failed')
  expect(states()).toBe('a-0=ready b-0=ready old-0=ready')
  expect(cluster.instances().map(({ process }) => process.pid())).toEqual(pids)
  expect(cluster.config()).toBe(config)
  expect([...cluster.counts]).toEqual([['old', 1]])
  manners.broken.clear()
  expect(await operate('reload')).toMatchObject({ ok: true, message: 'reloaded' })
  expect(states()).toBe('a-0=ready b-0=ready a-1=ready b-1=ready')
  expect([...cluster.counts]).toEqual([])
})

it('starts what a changed group gets more only once, in the new way', async () => {
  running = await startInProcess(before)
  const { cluster, lines, operate, states, until } = running
  await until(() => states() === 'a-0=ready b-0=ready old-0=ready')
  running.setNext(after)
  expect(await operate('reload')).toMatchObject({ ok: true })
  expect(lines.filter((line) => line.startsWith('b-1 stopped → starting'))).toHaveLength(1)
  expect(lines.filter((line) => line.startsWith('b-1 ready →'))).toEqual([])
  expect(['b-0', 'b-1'].map((id) => cluster.instance(id)?.spec().env)).toEqual([{ X: 'new' }, { X: 'new' }])
})

/** Reloads to `text`, in which `a-1` does not come up in the new way, and comes up again in the old one. */
async function reloadHalfWay(text: string): Promise<void> {
  const { cluster, manners, operate, until } = running
  running.setNext(text)
  const unsubscribe = cluster.bus.subscribe((event) => {
    if (event.type !== 'state') return
    if (event.id === 'a-0' && event.to === 'ready') manners.broken.add('a-1')
    if (event.id === 'a-1' && event.to === 'failed') manners.broken.clear()
  })
  const { ok, message } = await operate('reload')
  unsubscribe()
  expect(ok).toBe(false)
  expect(message).toContain('a-1 is failed')
  await until(() => cluster.instance('a-1')?.process.state().state === 'ready')
}

const envsOf = (group: string): object[] =>
  running.cluster
    .instances()
    .map((instance) => instance.spec())
    .filter((spec) => spec.group === group)
    .map(({ env }) => env)

const first = `groups:\n${fakeGroup('a', 'instances: 2')}${fakeGroup('b', 'instances: 1')}`
const second = `groups:\n${fakeGroup('a', 'instances: 2, env: { X: new }')}`

it.each([
  ['back', first, [{}, {}], 'a-0=ready a-1=ready b-0=ready'],
  ['on', second, [{ X: 'new' }, { X: 'new' }], 'a-0=ready a-1=ready'],
])('goes %s after it ended half way', async (_name, text, envs, wanted) => {
  running = await startInProcess(first)
  const { cluster, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready b-0=ready')
  await reloadHalfWay(second)
  expect(envsOf('a')).toEqual([{ X: 'new' }, {}])
  expect(states()).toBe('a-0=ready a-1=ready b-0=ready')
  expect(cluster.config().groups.map(({ name }) => name)).toEqual(['a', 'b'])
  running.setNext(text)
  expect(await operate('reload')).toMatchObject({ ok: true, message: 'reloaded' })
  expect(envsOf('a')).toEqual(envs)
  expect(states()).toBe(wanted)
  expect(await operate('reload')).toMatchObject({ ok: true, message: 'nothing to do' })
})

it('remembers what was asked for with `scale` when it ends half way', async () => {
  running = await startInProcess(first)
  const { cluster, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready b-0=ready')
  await operate('scale', { targets: ['b=2'] })
  await reloadHalfWay(
    `groups:\n${fakeGroup('a', 'instances: 2, env: { X: new }')}${fakeGroup('b', 'instances: 3')}`,
  )
  expect([...cluster.counts]).toEqual([['b', 2]])
  running.setNext(first)
  expect(await operate('reload')).toMatchObject({ ok: true })
  expect(states()).toBe('a-0=ready a-1=ready b-0=ready b-1=ready')
})
