import { describe, expect, it } from 'vitest'
import { FairQueue } from './fair-queue.js'
import { WaitingRoom, type Waiting } from './waiting-room.js'

/** A queue of items, each of the client with its first letter, that came in this order. */
function queueOf(items: readonly string[]): FairQueue<string> {
  const queue = new FairQueue<string>()
  items.forEach((item, turn) => queue.push(item[0] as string, item, turn))
  return queue
}

function drain(queue: FairQueue<string>): string {
  let taken = ''
  let turn = 1_000
  for (let place = queue.first(); place; place = queue.first()) {
    taken += place.item
    queue.remove(place.client, place.item)
    queue.passTurn(place.client, turn++)
  }
  return taken
}

describe('FairQueue', () => {
  it('is first in, first out for one client', () => {
    const queue = queueOf(['a1', 'a2', 'a3'])
    expect(queue.first()).toEqual({ client: 'a', item: 'a1', turn: 0 })
    expect(drain(queue)).toBe('a1a2a3')
    expect(queue.size).toBe(0)
  })

  it('lets a second client wait for one request of the first, not for 500', () => {
    const queue = queueOf([...Array.from({ length: 500 }, () => 'g'), 'm'])
    expect(drain(queue).indexOf('m')).toBe(1)
  })

  it('takes turns', () => {
    expect(drain(queueOf(['a1', 'b1', 'a2', 'a3', 'b2', 'c1']))).toBe('a1b1c1a2b2a3')
  })

  it('knows of a client that was served elsewhere', () => {
    const queue = queueOf(['a1', 'b1'])
    queue.passTurn('a', 2)
    queue.passTurn('nobody', 3)
    expect(drain(queue)).toBe('b1a1')
  })

  it('forgets a client whose last item was removed', () => {
    const queue = queueOf(['x1', 'y1'])
    expect(queue.remove('x', 'x1')).toBe(true)
    expect(queue.remove('x', 'x1')).toBe(false)
    expect(queue.size).toBe(1)
    expect(queue.first()?.item).toBe('y1')
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

  const drainRoom = (room: WaitingRoom<Item>, fits: (each: Item) => boolean = () => true): string[] => {
    const names: string[] = []
    for (let each = room.take(fits); each; each = room.take(fits)) names.push(each.name)
    return names
  }

  it('gives a client its turn in whichever way others name their model', () => {
    const room = new WaitingRoom<Item>()
    for (const name of ['big 1', 'big 2', 'big 3']) room.add(item(name, { client: 'big' }))
    room.add(item('by group', { client: 'small', group: 'default' }))
    room.add(item('by model', { client: 'tiny', group: 'demo' }))
    expect(drainRoom(room)).toEqual(['big 1', 'by group', 'by model', 'big 2', 'big 3'])
  })

  it('gives a client that names its model in several ways one turn', () => {
    const room = new WaitingRoom<Item>()
    for (const group of ['default', 'demo', undefined])
      room.add(item(`big, ${group}`, { client: 'big', group }))
    for (const name of ['small 1', 'small 2']) room.add(item(name, { client: 'small', group: 'default' }))
    expect(drainRoom(room)).toEqual(['big, default', 'small 1', 'big, demo', 'small 2', 'big, undefined'])
  })

  it('takes turns also where only one group has room', () => {
    const room = new WaitingRoom<Item>()
    for (const client of ['a', 'b'])
      for (const group of ['full', 'idle', 'idle']) room.add(item(`${client}, ${group}`, { client, group }))
    expect(drainRoom(room, ({ group }) => group === 'idle')).toEqual([
      'a, idle',
      'b, idle',
      'a, idle',
      'b, idle',
    ])
    expect(drainRoom(room)).toEqual(['a, full', 'b, full'])
  })

  it('asks the line that waits longest first', () => {
    const room = new WaitingRoom<Item>()
    room.add(item('old', { group: 'x' }))
    room.add(item('new'))
    expect(room.take(() => true)?.name).toBe('old')
  })
})
