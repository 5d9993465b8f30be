import { expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import type { GpuListener } from './gpu-inventory.js'
import type { Gpu } from './gpu.js'
import { createMemoryGate, readingLagMs, readingLimitMs } from './memory-gate.js'

const gpuWith = (usedBytes: number): Gpu => ({
  index: 0,
  uuid: 'GPU-0',
  name: 'Test',
  memoryTotalBytes: 10e9,
  memoryUsedBytes: usedBytes,
  utilization: 0,
  temperatureCelsius: 40,
  eccErrors: 0,
  pciBusId: null,
})

function setUp() {
  const clock = fakeClock()
  let gpus = [gpuWith(9e9)]
  let listener: GpuListener = () => {}
  const inventory = {
    list: () => gpus,
    subscribe(next: GpuListener) {
      listener = next
      return () => {}
    },
  }
  const gate = createMemoryGate(inventory, clock)
  const request = { id: 'a', gpu: 'GPU-0', neededBytes: 4e9, promisedBytes: () => 0 }
  let ticks = 0
  return {
    clock,
    gate,
    ask: () => gate.ask(request, () => (ticks += 1)),
    next: () => gate.next('a', () => (ticks += 1)),
    ticks: () => ticks,
    /** A reading whose first line came so long ago. */
    read: (usedBytes: number, agoMs = 0) => {
      gpus = [gpuWith(usedBytes)]
      listener(gpus, clock.now() - agoMs)
    },
  }
}

it('answers at once from a reading that still counts', async () => {
  const { ask, read } = setUp()
  expect(await ask()).toMatchObject({ fits: false })
  read(5e9)
  expect(await ask()).toEqual({ fits: true, remark: null })
})

it('waits for a reading after a change, with a sign of life every second', async () => {
  const { gate, ask, read, clock, ticks } = setUp()
  read(1e9)
  gate.touch('GPU-0')
  const answer = ask()
  clock.advance(2_000)
  read(9e9)
  expect(await answer).toMatchObject({ fits: false })
  expect(ticks()).toBe(2)
  clock.advance(2_000)
  expect(ticks()).toBe(2)
})

it('does not count a reading that was on its way when the change came', async () => {
  const { gate, ask, read, clock } = setUp()
  gate.touch('GPU-0')
  const answer = ask()
  clock.advance(readingLagMs + 100)
  read(1e9, 200)
  clock.advance(2_000)
  read(9e9, 200)
  expect(await answer).toMatchObject({ fits: false })
})

it('keeps nothing from starting when no reading comes', async () => {
  const { ask, next, clock } = setUp()
  const again = next()
  clock.advance(readingLimitMs)
  await again
  const answer = ask()
  clock.advance(readingLimitMs)
  expect(await answer).toEqual({ fits: true, remark: null })
})

it('lets go of one that is not wanted any more', async () => {
  const { gate, next } = setUp()
  const waiting = next()
  gate.leave('a')
  await waiting
})
