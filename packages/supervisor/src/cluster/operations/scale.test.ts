import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../../fixtures/in-process-cluster.js'

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
