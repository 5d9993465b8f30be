import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { featureThreadCount, FeatureThreads, type FeatureThread } from './feature-threads.js'
import type { LogMel } from './log-mel.js'

/** A thread that answers when told to. */
class FakeThread extends EventEmitter {
  readonly asked: Float32Array[] = []

  postMessage(samples: Float32Array): void {
    this.asked.push(samples)
  }

  answer(frames: number): void {
    this.emit('message', { values: new Float32Array(0), frames } satisfies LogMel)
  }

  unref(): void {}
}

function setUp(count: number) {
  const fakes: FakeThread[] = []
  const threads = new FeatureThreads(count, () => {
    const fake = new FakeThread()
    fakes.push(fake)
    return fake as unknown as FeatureThread
  })
  return { threads, fakes }
}

const samples = (value: number) => Float32Array.of(value)

test('the thread that has least to do is asked, and its answers are in order', async () => {
  const { threads, fakes } = setUp(2)
  const answers = [1, 2, 3, 4].map((value) => threads.extract(samples(value)))
  expect(fakes.map(({ asked }) => asked.map(([value]) => value))).toEqual([
    [1, 3],
    [2, 4],
  ])
  fakes[1]!.answer(20)
  fakes[0]!.answer(10)
  fakes[0]!.answer(30)
  fakes[1]!.answer(40)
  expect((await Promise.all(answers)).map(({ frames }) => frames)).toEqual([10, 20, 30, 40])
})

test('what was fetched before is not computed again', async () => {
  const { threads, fakes } = setUp(1)
  const wanted = samples(1)
  threads.prefetch(wanted)
  const first = threads.extract(wanted)
  fakes[0]!.answer(7)
  expect((await first).frames).toBe(7)
  expect((await threads.extract(wanted)).frames).toBe(7)
  expect(fakes[0]!.asked).toHaveLength(1)
})

test.each([
  [1, 1],
  [4, 1],
  [8, 2],
  [16, 4],
  [128, 4],
])('of %i processors %i', (processors, count) => {
  expect(featureThreadCount(processors)).toBe(count)
})
