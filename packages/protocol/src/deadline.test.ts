import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { startDeadline } from './deadline.js'

describe('startDeadline', () => {
  it('aborts when the time is over, whatever the garbage collector takes', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heard = new Promise((resolve) => {
      startDeadline(50, new AbortController().signal).signal.addEventListener('abort', resolve)
    })
    await sleep(10)
    collect()
    expect(await Promise.race([heard.then(() => 'aborted'), sleep(5_000, 'never')])).toBe('aborted')
  })

  it('aborts with the given signal and its reason, before or after the start', () => {
    const outer = new AbortController()
    const deadline = startDeadline(60_000, outer.signal)
    expect(deadline.signal.aborted).toBe(false)
    const reason = new Error('enough')
    outer.abort(reason)
    const late = startDeadline(60_000, outer.signal)
    for (const one of [deadline, late]) {
      expect(one.signal.reason).toBe(reason)
      expect(one.isOver()).toBe(false)
    }
    deadline.clear()
    late.clear()
  })

  it('waits for longer than a timer can, rather than for one millisecond', async () => {
    const deadline = startDeadline(2 ** 31)
    await sleep(20)
    expect(deadline.isOver()).toBe(false)
    deadline.clear()
  })

  it('says that the time is over, and nothing once it is cleared', async () => {
    const [over, cleared] = [startDeadline(10), startDeadline(10)]
    cleared.clear()
    await sleep(30)
    expect(over.isOver()).toBe(true)
    expect((over.signal.reason as Error).name).toBe('TimeoutError')
    expect(cleared.isOver() || cleared.signal.aborted).toBe(false)
  })
})
