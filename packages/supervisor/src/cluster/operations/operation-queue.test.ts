import { expect, it } from 'vitest'
import { fakeClock } from '../../fixtures/fake-clock.js'
import { createOperationQueue } from './operation-queue.js'
import type { QueuedOperation } from './operation-queue.js'

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

it('runs one after the other, and tells a later one what is before it', async () => {
  const clock = fakeClock()
  const queue = createOperationQueue(clock)
  const first = gate()
  const heard: (readonly QueuedOperation[])[] = []
  const onWait = (ahead: readonly QueuedOperation[]): void => void heard.push(ahead)
  const one = queue.run('stop a-0', () => first.opened, { onWait })
  await Promise.resolve()
  clock.advance(12_000)
  const order: string[] = []
  const two = queue.run('scale a=3', async () => void order.push('two'), { onWait })
  const three = queue.run('reload', async () => void order.push('three'), { onWait })
  clock.advance(3_000)
  expect(heard).toEqual([
    [{ name: 'stop a-0', state: 'running', seconds: 12 }],
    [
      { name: 'stop a-0', state: 'running', seconds: 12 },
      { name: 'scale a=3', state: 'waiting', seconds: 0 },
    ],
  ])
  expect(queue.list().map(({ name, state, seconds }) => `${name} ${state} ${seconds}`)).toEqual([
    'stop a-0 running 15',
    'scale a=3 waiting 3',
    'reload waiting 3',
  ])
  expect(queue.isIdle()).toBe(false)
  first.open()
  await Promise.all([one, two, three])
  expect(order).toEqual(['two', 'three'])
  expect(queue.isIdle()).toBe(true)
})

it('never begins what nobody waits for any longer, and lets what has begun end', async () => {
  const queue = createOperationQueue(fakeClock())
  const first = gate()
  const [gone, alsoGone] = [new AbortController(), new AbortController()]
  const one = queue.run('stop a-0', () => first.opened, { gone: gone.signal })
  let hasBegun = false
  const two = queue.run('scale a=3', async () => void (hasBegun = true), { gone: alsoGone.signal })
  const three = queue.run('reload', () => Promise.resolve('reloaded'))
  await Promise.resolve()
  gone.abort()
  alsoGone.abort()
  expect(queue.list().map(({ name }) => name)).toEqual(['stop a-0', 'reload'])
  first.open()
  await one
  await expect(two).rejects.toThrow('scale a=3: not begun')
  expect(await three).toBe('reloaded')
  expect(hasBegun).toBe(false)
  expect(queue.isIdle()).toBe(true)
})
