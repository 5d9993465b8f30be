import { describe, expect, it } from 'vitest'
import { FairQueue } from './fair-queue.js'
import { WaitingRoom, type Waiting } from './waiting-room.js'

function drain(queue: FairQueue<string>): string {
  let taken = ''
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) taken += item
  return taken
}

describe('FairQueue', () => {
  it('is first in, first out for one client', () => {
    const queue = new FairQueue<string>()
    for (const item of 'abc') queue.push('client', item)
    expect(queue.peek()).toBe('a')
    expect(drain(queue)).toBe('abc')
    expect(queue.size).toBe(0)
  })

  it('lets a second client wait for one request of the first, not for 500', () => {
    const queue = new FairQueue<string>()
    for (let count = 0; count < 500; count += 1) queue.push('greedy', 'g')
    queue.push('modest', 'm')
    expect(drain(queue).indexOf('m')).toBe(1)
  })

  it('takes turns', () => {
    const queue = new FairQueue<string>()
    for (const item of ['a1', 'b1', 'a2', 'a3', 'b2', 'c1']) queue.push(item[0] as string, item)
    expect(drain(queue)).toBe('a1b1c1a2b2a3')
  })

  it('forgets a client whose last item was removed', () => {
    const queue = new FairQueue<string>()
    queue.push('x', 'x1')
    queue.push('y', 'y1')
    expect(queue.remove('x', 'x1')).toBe(true)
    expect(queue.remove('x', 'x1')).toBe(false)
    expect(queue.size).toBe(1)
    expect(queue.peek()).toBe('y1')
  })
})

describe('WaitingRoom', () => {
  interface Item extends Waiting {
    name: string
  }
  const item = (name: string, overrides: Partial<Item> = {}): Item => ({
    name,
    client: 'c',
    group: undefined,
    replay: false,
    ...overrides,
  })

  it('serves replays first and in order', () => {
    const room = new WaitingRoom<Item>()
    room.add(item('first'))
    room.add(item('replay 1', { replay: true }))
    room.add(item('replay 2', { replay: true }))
    expect([1, 2, 3].map(() => room.take(() => true)?.name)).toEqual(['replay 1', 'replay 2', 'first'])
  })

  it('does not let a group without room hold up another', () => {
    const room = new WaitingRoom<Item>()
    room.add(item('for large', { group: 'large' }))
    room.add(item('for small', { group: 'small' }))
    expect(room.take((each) => each.group === 'small')?.name).toBe('for small')
    expect(room.size).toBe(1)
  })

  it('asks the line that waits longest first', () => {
    const room = new WaitingRoom<Item>()
    room.add(item('old', { group: 'x' }))
    room.add(item('new'))
    expect(room.take(() => true)?.name).toBe('old')
  })
})
