import { afterEach, expect, it } from 'vitest'
import { fakeGroup, startInProcess } from '../fixtures/in-process-cluster.js'
import type { InProcessCluster } from '../fixtures/in-process-cluster.js'

let running: InProcessCluster
afterEach(() => running.close())

const names = (): unknown =>
  (running.status() as { operations: { name: string; state: string }[] }).operations.map(
    ({ name, state }) => `${name}: ${state}`,
  )

it('says what an operation waits for, and does not begin it for somebody who left', async () => {
  running = await startInProcess(`groups:\n${fakeGroup('a', 'instances: 2')}`, { busy: new Set(['a-0']) })
  const { operate, states, until } = running
  await until(() => states() === 'a-0=ready a-1=ready')
  const [stopping, scaling] = [new AbortController(), new AbortController()]
  const stop = operate('stop', { ids: ['a-0'] }, () => {}, stopping.signal)
  await until(() => states() === 'a-0=draining a-1=ready')
  const said: [string, boolean | undefined][] = []
  const scale = operate(
    'scale',
    { targets: ['a=3'] },
    (line, waits) => void said.push([line, waits]),
    scaling.signal,
  )
  expect(said).toEqual([
    [
      expect.stringMatching(/^waiting for `stop a-0`, which began \d+ s ago; `asr-cluster status` shows/),
      true,
    ],
  ])
  expect(names()).toEqual(['stop a-0: running', 'scale a=3: waiting'])
  scaling.abort()
  // What has begun goes on without whoever asked for it.
  stopping.abort()
  expect(names()).toEqual(['stop a-0: running'])
  running.end('a-0', { code: 0, signal: null })
  expect(await stop).toMatchObject({ ok: true })
  expect(await scale).toMatchObject({ ok: false, message: expect.stringContaining('not begun') })
  expect(states()).toBe('a-0=stopped a-1=ready')
  expect(names()).toEqual([])
})
