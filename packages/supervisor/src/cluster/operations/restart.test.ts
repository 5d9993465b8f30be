import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../../fixtures/in-process-cluster.js'

let running: InProcessCluster
afterEach(() => running.close())

it('ends a rolling restart when another instance fails meanwhile, and the queue goes on', async () => {
  running = await startInProcess(
    `groups:\n${fakeGroup('a', 'instances: 2')}${fakeGroup('b', 'instances: 1')}`,
  )
  const { cluster, manners, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready b-0=ready')
  const rolling = operate('restart', { ids: ['a'], rolling: true })
  await until(() => cluster.instance('a-0')?.process.state().state !== 'ready')
  manners.broken.add('b-0')
  running.end('b-0', { code: 78, signal: null })
  const { ok, message } = await rolling
  expect(ok).toBe(false)
  expect(message).toContain('b-0 is failed: exited with code 78')
  expect(message).toContain('stopped there; 1 not restarted')
  expect(states()).toBe('a-0=ready a-1=ready b-0=failed')
  manners.broken.clear()
  expect(await operate('start', { ids: ['b'] })).toMatchObject({ ok: true })
})

it.each([true, false])('starts what is stopped only if it is named (rolling: %s)', async (rolling) => {
  running = await startInProcess(`groups:\n${fakeGroup('a', 'instances: 2')}`)
  const { cluster, operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready')
  await operate('stop', { ids: ['a-1'] })
  const pid = cluster.instance('a-0')?.process.pid()
  expect(await operate('restart', { rolling })).toMatchObject({ ok: true })
  expect(states()).toBe('a-0=ready a-1=stopped')
  expect(cluster.instance('a-0')?.process.pid()).not.toBe(pid)
  expect(await operate('restart', { ids: ['a-1'], rolling })).toMatchObject({ ok: true })
  expect(states()).toBe('a-0=ready a-1=ready')
})
