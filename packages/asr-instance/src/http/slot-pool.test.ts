import { describe, expect, it } from 'vitest'
import { SlotPool } from './slot-pool.js'

const never = new AbortController().signal

function pool(capacity: number) {
  const timers = new Set<() => void>()
  const slots = new SlotPool({
    graceMs: 250,
    timer: {
      set(callback) {
        timers.add(callback)
        return callback
      },
      clear: (callback) => timers.delete(callback as () => void),
    },
  })
  slots.capacity = capacity
  return { slots, expire: () => timers.forEach((callback) => callback()), timers }
}

describe('SlotPool', () => {
  it('refuses one too many once its grace is over', async () => {
    const { slots, expire } = pool(1)
    await slots.acquire(never)
    const second = slots.acquire(never)
    expire()
    await expect(second).rejects.toMatchObject({ code: 'slots_full', status: 429, retryAfterSeconds: 1 })
    expect(slots.inFlight).toBe(1)
  })

  it('hands a slot that becomes free to the first who waits', async () => {
    const { slots, timers } = pool(2)
    const release = await slots.acquire(never)
    await slots.acquire(never)
    const order: string[] = []
    const third = slots.acquire(never).then((free) => (order.push('third'), free))
    const fourth = slots.acquire(never).then((free) => (order.push('fourth'), free))
    release()
    release()
    ;(await third)()
    await fourth
    expect(order).toEqual(['third', 'fourth'])
    expect(slots.inFlight).toBe(2)
    expect(timers.size).toBe(0)
  })

  it('lets no more wait than there are slots', async () => {
    const { slots } = pool(1)
    await slots.acquire(never)
    void slots.acquire(never).catch(() => {})
    await expect(slots.acquire(never)).rejects.toMatchObject({ code: 'slots_full' })
  })

  it('forgets who goes away while waiting', async () => {
    const { slots, timers } = pool(1)
    const release = await slots.acquire(never)
    const gone = new AbortController()
    const second = slots.acquire(gone.signal)
    gone.abort()
    await expect(second).rejects.toMatchObject({ code: 'client_closed' })
    expect(timers.size).toBe(0)
    release()
    expect(slots.inFlight).toBe(0)
  })

  it('refuses all while there is no engine', async () => {
    await expect(pool(0).slots.acquire(never)).rejects.toMatchObject({ code: 'slots_full' })
  })
})
