import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../../fixtures/in-process-cluster.js'
import type { Gpu } from '../../gpu/gpu.js'

let running: InProcessCluster
afterEach(() => running.close())

/** Three instances, of which the first has failed for good. */
async function startWithDeadFirst(): Promise<void> {
  running = await startInProcess(`groups:\n${fakeGroup('a', 'instances: 3')}`, { broken: new Set(['a-0']) })
  await running.until(() => running.states() === 'a-0=failed a-1=ready a-2=ready')
}

const scale = (count: number) => running.operate('scale', { targets: [String(count)] })

it('takes away what is dead before what serves, and fills the gap when there are more again', async () => {
  await startWithDeadFirst()
  expect(await scale(2)).toMatchObject({ ok: true })
  expect(running.states()).toBe('a-1=ready a-2=ready')
  expect(await scale(1)).toMatchObject({ ok: true })
  expect(running.states()).toBe('a-1=ready')
  running.manners.broken.clear()
  expect(await scale(2)).toMatchObject({ ok: true })
  expect(running.states()).toBe('a-1=ready a-0=ready')
})

it('leaves numbers that a reload keeps', async () => {
  await startWithDeadFirst()
  await scale(1)
  running.setNext(`groups:\n${fakeGroup('a', 'instances: 3, env: { X: new }')}`)
  expect(await running.operate('reload')).toMatchObject({ ok: true })
  expect(running.states()).toBe('a-1=ready')
  expect(running.cluster.instance('a-1')?.spec().env).toEqual({ X: 'new' })
})

const two = `groups:\n${fakeGroup('a', 'instances: 2')}${fakeGroup('b', 'instances: 1')}`

it('brings several groups to their numbers, or none of them', async () => {
  running = await startInProcess(two, { broken: new Set(['b-1']) })
  const { cluster, lines, manners, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready b-0=ready')
  await operate('scale', { targets: ['b=1'] })
  for (const a of ['a=3', 'a=1']) {
    const { ok, message } = await operate('scale', { targets: [a, 'b=2'] })
    expect(ok).toBe(false)
    expect(message).toContain('b-1 is failed')
    expect(states().split(' ').toSorted().join(' ')).toBe('a-0=ready a-1=ready b-0=ready')
    expect([...cluster.counts]).toEqual([['b', 1]])
  }
  manners.broken.clear()
  lines.length = 0
  expect(await operate('scale', { targets: ['a=1', 'b=2'] })).toMatchObject({
    ok: true,
    message: 'a: 1, b: 2',
  })
  expect(states()).toBe('a-0=ready b-0=ready b-1=ready')
  // The end of one may make room for the next.
  const at = (start: string): number => lines.findIndex((line) => line.startsWith(start))
  expect(at('a-1 stopping → stopped')).toBeGreaterThanOrEqual(0)
  expect(at('a-1 stopping → stopped')).toBeLessThan(at('b-1 stopped → starting'))
})

it.each([
  [['a=3', 'b=65'], 'at most 64'],
  [['a=3', 'c=1'], 'there is no group `c`'],
  [['a=3', 'a=1'], 'the group `a` is named twice'],
])('does nothing for %j', async (targets, expected) => {
  running = await startInProcess(two)
  const { operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready b-0=ready')
  const { ok, message } = await operate('scale', { targets })
  expect(ok).toBe(false)
  expect(message).toContain(expected)
  expect(states()).toBe('a-0=ready a-1=ready b-0=ready')
})

it('does nothing where a later group wants a GPU that is gone', async () => {
  const gpu = (index: number) => ({ index, uuid: `GPU-${index}` }) as Gpu
  const gpus = [gpu(0), gpu(1)]
  const yaml = `groups:\n${fakeGroup('a', 'instances: 1, gpus: [0]')}${fakeGroup('b', 'instances: 1, gpus: [0, 1]')}`
  running = await startInProcess(yaml, {}, gpus)
  const { operate, states, until } = running
  await until(() => states() === 'a-0=ready b-0=ready')
  gpus.pop()
  expect(await operate('scale', { targets: ['a=2', 'b=2'] })).toMatchObject({
    ok: false,
    message: expect.stringContaining('there is no GPU 1'),
  })
  expect(states()).toBe('a-0=ready b-0=ready')
})
