import { afterEach, expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { fakeGroup, startInProcess } from '../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../fixtures/in-process-cluster.js'
import type { GpuListener } from '../gpu/gpu-inventory.js'
import type { Gpu } from '../gpu/gpu.js'
import { createGpuWatch } from './gpu-watch.js'

let running: InProcessCluster
afterEach(() => running.close())

const gpu = (index: number, eccErrors = 0): Gpu => ({
  index,
  uuid: `GPU-${index}`,
  name: 'Fake',
  memoryTotalBytes: 10e9,
  memoryUsedBytes: 0,
  utilization: null,
  temperatureCelsius: null,
  eccErrors,
  pciBusId: null,
})

/** A group with an instance on each of two GPUs, watched; returns what shows the watch another list of GPUs. */
async function start(group: string): Promise<(...gpus: Gpu[]) => void> {
  let list = [gpu(0), gpu(1)]
  running = await startInProcess(`groups:\n${fakeGroup('a', `instances: 2, ${group}`)}`, {}, list)
  await running.until(() => running.states() === 'a-0=ready a-1=ready')
  const listeners = new Set<GpuListener>()
  const watch = createGpuWatch({
    list: () => list,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    first: () => Promise.resolve(list),
    close() {},
  })
  watch.attach(running.watch(fakeClock()))
  return (...gpus) => {
    list = gpus
    for (const listener of listeners) listener(list, 0)
  }
}

it('cuts short the drain of what is to stop, and moves it nowhere, when its GPU is lost', async () => {
  const show = await start('gpus: auto')
  const { manners, operate, states, until } = running
  manners.busy.add('a-1')
  const scaled = operate('scale', { targets: ['1'] })
  await until(() => states() === 'a-0=ready a-1=draining')
  show(gpu(0), gpu(1, 3))
  expect(await scaled).toMatchObject({ ok: true })
  expect(states()).toBe('a-0=ready')
})

it('stops what it can place nowhere else, and starts it when the GPU is back', async () => {
  const show = await start('gpus: [0, 1]')
  const { states, until } = running
  show(gpu(0), gpu(1, 3))
  await until(() => states() === 'a-0=ready a-1=stopped')
  show(gpu(0), gpu(1))
  await until(() => states() === 'a-0=ready a-1=ready')
})

it('leaves stopped what the operator stopped, before or after the GPU was lost', async () => {
  const show = await start('gpus: [0, 1]')
  const { operate, states, until } = running
  await operate('stop', { ids: ['a-0'] })
  show(gpu(0, 3), gpu(1, 3))
  await until(() => states() === 'a-0=stopped a-1=stopped')
  await operate('stop', { ids: ['a-1'] })
  show(gpu(0), gpu(1))
  expect(states()).toBe('a-0=stopped a-1=stopped')
})

it('takes off once more what was scaled away meanwhile and is there again', async () => {
  const show = await start('gpus: [0, 1]')
  const { operate, states, until } = running
  show(gpu(0), gpu(1, 3))
  await until(() => states() === 'a-0=ready a-1=stopped')
  await operate('scale', { targets: ['1'] })
  show(gpu(0), gpu(1))
  await operate('scale', { targets: ['2'] })
  show(gpu(0), gpu(1, 4))
  await until(() => states() === 'a-0=ready a-1=stopped')
})
