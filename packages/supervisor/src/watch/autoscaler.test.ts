import { afterEach, expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { fakeGroup, startInProcess } from '../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../fixtures/in-process-cluster.js'
import { watchLoad } from './autoscaler.js'

let running: InProcessCluster
let stop = (): void => {}
afterEach(async () => {
  stop()
  await running.close()
})

const configOf = (autoscale: string, instances: number): string =>
  `autoscale: { enabled: true, signals: [queue], upAfter: 1s, downAfter: 3s, ${autoscale} }\ngroups:\n${fakeGroup('a', `instances: ${instances}`)}`

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Watches the load, and returns what lets seconds pass for the watch alone. */
function watch(): (seconds: number) => Promise<void> {
  const clock = fakeClock()
  stop = watchLoad(running.watch(clock), () => new Map())
  return async (seconds) => {
    for (let second = 0; second < seconds; second += 1) {
      clock.advance(1_000)
      await settle()
    }
  }
}

/** Starts a group in which these instances fail, and returns once it is in these states and the balancer has counted. */
async function start(config: string, broken: string[], wanted: string): Promise<void> {
  running = await startInProcess(config, { broken: new Set(broken) })
  const { cluster, states, until } = running
  await until(() => states() === wanted && cluster.stats() !== null)
}

const steps = (): string[] => running.lines.filter((line) => line.startsWith('autoscale'))

it('keeps the instances that serve, not the numbers, when it scales down past one that failed', async () => {
  await start(configOf('min: 1, max: 4', 3), ['a-0'], 'a-0=failed a-1=ready a-2=ready')
  const { states, until } = running
  const pass = watch()
  await pass(5)
  await until(() => states() === 'a-0=failed a-1=ready')
  await pass(10)
  expect(states()).toBe('a-0=failed a-1=ready')
  expect(steps()).toHaveLength(1)
})

it('makes up for an instance that failed, and says it once', async () => {
  await start(configOf('min: 2, max: 4', 2), ['a-0'], 'a-0=failed a-1=ready')
  const { states, until } = running
  const pass = watch()
  await pass(1)
  await until(() => states() === 'a-0=failed a-1=ready a-2=ready')
  await pass(10)
  expect(states()).toBe('a-0=failed a-1=ready a-2=ready')
  expect(steps()).toHaveLength(1)
})

it('starts again what failed when the maximum leaves no room for a substitute, with pauses', async () => {
  await start(configOf('min: 2, max: 2', 2), ['a-0'], 'a-0=failed a-1=ready')
  const { states, until } = running
  const pass = watch()
  await pass(1)
  await until(() => steps().length === 2 && states() === 'a-0=failed a-1=ready')
  running.manners.broken.clear()
  await pass(20)
  expect(states()).toBe('a-0=failed a-1=ready')
  await pass(15)
  await until(() => states() === 'a-0=ready a-1=ready')
})

it('keeps the minimum when all have failed', async () => {
  await start(configOf('min: 2, max: 4', 2), ['a-0', 'a-1'], 'a-0=failed a-1=failed')
  await watch()(1)
  await running.until(() => running.states() === 'a-0=failed a-1=failed a-2=ready a-3=ready')
})

it.each([
  ['stop', { ids: ['a-1'] }, 'a-0=ready a-1=stopped'],
  ['stop', {}, 'a-0=stopped a-1=stopped'],
  ['scale', { targets: ['0'] }, ''],
])('does and says nothing about an operator who wants fewer: %s %j', async (operation, body, wanted) => {
  await start(configOf('min: 2, max: 2', 2), [], 'a-0=ready a-1=ready')
  await running.operate(operation, body)
  await watch()(40)
  expect(running.states()).toBe(wanted)
  expect(steps()).toEqual([])
})

it('waits before it tries again what failed', async () => {
  await start(configOf('min: 2, max: 4', 2), ['a-0', 'a-2'], 'a-0=failed a-1=ready')
  const { states, until } = running
  const pass = watch()
  await pass(1)
  await until(() => steps().length === 2)
  await pass(20)
  expect(steps()).toHaveLength(2)
  running.manners.broken.clear()
  await pass(15)
  await until(() => states() === 'a-0=failed a-1=ready a-2=ready')
})
