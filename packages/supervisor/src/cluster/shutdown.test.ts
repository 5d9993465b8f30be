import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../fixtures/in-process-cluster.js'
import type { ManagedInstance } from './managed-instance.js'

let running: InProcessCluster
afterEach(() => running.close())

const oneInstance = `groups:\n${fakeGroup('a', 'instances: 1')}`

it('refuses operations while the cluster goes down', async () => {
  running = await startInProcess(oneInstance, { stubborn: new Set(['a-0']) })
  const { operate, states, until } = running
  await until(() => states() === 'a-0=ready')
  const down = operate('down')
  await until(() => states() === 'a-0=stopping')
  for (const name of ['start', 'restart', 'reload']) {
    expect(await operate(name)).toEqual({ ok: false, message: 'the cluster is shutting down' })
  }
  running.end('a-0', { code: 0, signal: null })
  expect(await down).toMatchObject({ ok: true })
})

it('also stops what was started after it had told all to stop', async () => {
  running = await startInProcess(oneInstance, { stubborn: new Set(['a-0']) })
  const { cluster, manners, operate, states, until } = running
  await until(() => states() === 'a-0=ready')
  const down = operate('down')
  await until(() => states() === 'a-0=stopping')
  const first = cluster.instance('a-0') as ManagedInstance
  first.process.dispatch({ type: 'start' })
  const late = cluster.addInstance({ ...first.spec(), id: 'a-1', index: 1 })
  late.process.dispatch({ type: 'start' })
  manners.stubborn.clear()
  running.end('a-0', { code: 0, signal: null })
  expect(await down).toMatchObject({ ok: true })
  expect(states()).toBe('a-0=stopped a-1=stopped')
})

it('lets a reload that waits for the balancer change nothing once the cluster goes down', async () => {
  running = await startInProcess(oneInstance, { ignoresKeys: true })
  const { cluster, operate, states, told, until } = running
  await until(() => states() === 'a-0=ready')
  const auth = 'auth: { apiKeys: [some-key-of-the-test-0123456789] }'
  running.setNext(`${auth}\ngroups:\n${fakeGroup('a', 'instances: 1, weights: [2]')}`)
  const timesAsked = (): number => told.filter((type) => type === 'api-keys').length
  const before = timesAsked()
  const reload = operate('reload')
  await until(() => timesAsked() > before)
  const down = operate('down')
  expect(await reload).toEqual({ ok: false, message: 'the cluster is shutting down' })
  expect(await down).toMatchObject({ ok: true })
  expect(cluster.config().groups[0]?.weights).toEqual([1])
})
