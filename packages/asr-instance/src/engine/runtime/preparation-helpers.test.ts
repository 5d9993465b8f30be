import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { KvCache } from './kv-cache.js'
import {
  gainSideBySide,
  HelperGone,
  helperPlan,
  PreparationHelper,
  PreparationHelpers,
  type HelperThread,
} from './preparation-helpers.js'
import type { FromHelper, PieceRequest, ToHelper } from './worker-messages.js'

const shape = { layers: 1, kvHeads: 1, headDim: 1 }

class FakeThread extends EventEmitter implements HelperThread {
  readonly sent: ToHelper[] = []
  /** What it answers to each `next`. */
  readonly answers: (FromHelper | 'nothing')[]
  constructor(answers: (FromHelper | 'nothing')[] = []) {
    super()
    this.answers = answers
  }
  postMessage(message: ToHelper): void {
    this.sent.push(message)
    const answer = message.type === 'next' ? this.answers.shift() : undefined
    if (answer && answer !== 'nothing') queueMicrotask(() => this.emit('message', answer))
  }
  get isAskedToClose(): boolean {
    return this.sent.some(({ type }) => type === 'close')
  }
}

function piece(seconds = 10, more: Partial<PieceRequest> = {}): PieceRequest {
  const samples = new Float32Array(seconds * 16)
  return { id: 1, samples, before: [1], after: [], maxNewTokens: 9, temperature: 0, ...more }
}

function detached() {
  const cache = new KvCache(shape, { format: 'float32' })
  cache.addRow()
  cache.append([Float32Array.of(3), Float32Array.of(4)], 1)
  return cache.detach()
}

test.each([
  [1, 8, { count: 1, threads: 1 }],
  [2, 8, { count: 2, threads: 1 }],
  [3, 2, { count: 2, threads: 1 }],
  [8, 8, { count: 4, threads: 2 }],
  [64, 32, { count: 4, threads: 16 }],
])('%i threads and %i slots', (threads, slots, plan) => {
  expect(helperPlan(threads, slots)).toEqual(plan)
})

test('pieces of like length gain, unless somebody reads along or a recording grows', () => {
  expect(gainSideBySide([piece(10), piece(12)])).toBe(true)
  expect(gainSideBySide([piece(10), piece(12), piece(13)])).toBe(false)
  expect(gainSideBySide([piece(), piece(10, { isReadAlong: true })])).toBe(false)
  expect(gainSideBySide([piece(10, { stream: 4 }), piece()])).toBe(false)
})

test('threads start once when a preparation takes long, in place of a dead one after a minute, stop, and start anew', async () => {
  const started: FakeThread[] = []
  const start = () => {
    started.push(new FakeThread())
    return started.at(-1)!
  }
  let seconds = 1_000
  const helpers = new PreparationHelpers({ count: 2, start, shape, fromSeconds: 0.1, now: () => seconds })
  helpers.wake(0.05)
  expect(started).toHaveLength(0)
  helpers.wake(0.5)
  helpers.wake(0.5)
  expect(started).toHaveLength(2)
  expect(helpers.ready).toHaveLength(0)
  for (const thread of started) thread.emit('message', { type: 'ready' })
  expect(helpers.ready).toHaveLength(2)
  started[0]!.emit('error', new Error('no memory'))
  expect(helpers.ready).toHaveLength(1)
  seconds += 59
  helpers.wake(0.5)
  expect(started).toHaveLength(2)
  seconds += 1
  helpers.wake(0.5)
  expect(started).toHaveLength(3)
  let stopped = false
  const stop = helpers.stop().then(() => (stopped = true))
  expect(started.map(({ isAskedToClose }) => isAskedToClose)).toEqual([false, true, true])
  expect(helpers.ready).toHaveLength(0)
  for (const thread of started) {
    await new Promise(setImmediate)
    expect(stopped).toBe(false)
    thread.emit('exit', 0)
  }
  await stop
  helpers.wake(0.5)
  expect(started).toHaveLength(5)
})

test('one thread alone is of no use', () => {
  const start = () => expect.fail('not started')
  new PreparationHelpers({ count: 1, start, shape, fromSeconds: 0, now: () => 0 }).wake(9)
})

test('steps come one by one, and the memory of the row goes back once a batch has it', async () => {
  const row = detached()
  const first = { tokens: [5], logprobs: [-1], logits: undefined }
  const thread = new FakeThread([
    { type: 'step', stage: 'features' },
    { type: 'step', stage: 'prefill' },
    { type: 'done', row, first, promptTokens: 1 },
  ])
  const steps = new PreparationHelper(thread, shape).prepare(piece(), () => false)
  expect(await steps.next()).toEqual({ done: false, value: 'features' })
  expect(await steps.next()).toEqual({ done: false, value: 'prefill' })
  const { done, value } = await steps.next()
  if (!done) return expect.fail('it ends with the row')
  expect(value).toMatchObject({ first, promptTokens: 1 })
  expect(value.cache.length(0)).toBe(1)
  expect(thread.sent.map(({ type }) => type)).toEqual(['begin', 'next', 'next', 'next'])
  new KvCache(shape, { format: 'float32' }).adopt(value.cache as KvCache)
  expect(thread.sent.at(-1)).toEqual({ type: 'give', arrays: row.data })
})

test('a piece that is given up is dropped', async () => {
  const thread = new FakeThread([{ type: 'step', stage: 'features' }])
  const steps = new PreparationHelper(thread, shape).prepare(piece(), () => true)
  await steps.next()
  await steps.return(undefined as never)
  expect(thread.sent.at(-1)).toEqual({ type: 'drop', id: 1 })
})

test('failures are thrown: of the piece, of the thread while it works, of a thread that is gone', async () => {
  const thread = new FakeThread([{ type: 'failed', message: 'bad prompt' }, 'nothing'])
  const helper = new PreparationHelper(thread, shape)
  const next = () => helper.prepare(piece(), () => true).next()
  await expect(next()).rejects.toThrow('bad prompt')
  const waiting = next()
  queueMicrotask(() => thread.emit('exit', 1))
  await expect(waiting).rejects.toThrow(HelperGone)
  await expect(next()).rejects.toThrow(HelperGone)
})
