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
