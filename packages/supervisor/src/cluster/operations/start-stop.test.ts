import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../../fixtures/in-process-cluster.js'

let running: InProcessCluster
afterEach(() => running.close())

it('fails, and holds up no other operation, when something starts again what stops', async () => {
  running = await startInProcess(`groups:\n${fakeGroup('a', 'instances: 2')}`)
  const { cluster, manners, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready')
  manners.busy.add('a-1')
  const stopped = operate('stop', { ids: ['a-1'] })
  await until(() => states() === 'a-0=ready a-1=draining')
  cluster.instance('a-1')?.process.dispatch({ type: 'start' })
  const { ok, message } = await stopped
  expect(ok).toBe(false)
  expect(message).toContain('started a-1 again')
  expect(await operate('restart', { ids: ['a-0'] })).toMatchObject({ ok: true })
})
