import { describe, expect, test } from 'vitest'
import { countdown, countdownModel, countdownShape, piece, setUp } from './batch-scheduler.fixture.js'
import type { SchedulerOptions } from './batch-scheduler.js'
import { DeviceError } from './device-errors.js'
import { KvCache } from './kv-cache.js'
import { HelperGone } from './preparation-helpers.js'
import { prepareRow, type PreparationModel } from './preparation.js'
import type { PieceRequest } from './worker-messages.js'

test('rows of different lengths share the batch, and each gets its own answer', async () => {
  let widest = 0
  const { scheduler, tokensOf, end, drain } = setUp(
    3,
    countdownModel((rows) => (widest = Math.max(widest, rows))),
  )
  const lengths = [5, 30, 12, 2, 19, 7, 1]
  for (const [id, length] of lengths.entries()) scheduler.add(piece(id, length))
  await drain()
  for (const [id, length] of lengths.entries()) {
    expect(tokensOf(id)).toEqual(countdown(length))
    expect(end(id)).toMatchObject({ type: 'done', reason: 'stop', promptTokens: 2 })
  }
  expect(widest).toBe(3)
})

test('a piece joins the running decode and a finished one makes room', async () => {
  const { scheduler, tokensOf, drain } = setUp(2)
  scheduler.add(piece(0, 50))
  while (tokensOf(0).length < 5) await scheduler.step()
  scheduler.add(piece(1, 4))
  while (tokensOf(1).length < 3) await scheduler.step()
  expect(tokensOf(0).length).toBeLessThan(49)
  await drain()
  expect(tokensOf(0)).toEqual(countdown(50))
})

test('pieces that wait are prepared before the batch goes on', async () => {
  const sizes: number[] = []
  const quick = setUp(
    8,
    countdownModel((rows) => sizes.push(rows)),
  )
  for (let id = 0; id < 8; id++) quick.scheduler.add(piece(id, 9))
  await quick.drain()
  expect(sizes).toEqual(Array.from({ length: 8 }, () => 8))
})

test.each([
  { isReadAlong: true, longest: 0.3 },
  { isReadAlong: false, longest: 2.1 },
])('rows get their turn while others are prepared, read along: $isReadAlong', async (how) => {
  const { isReadAlong, longest } = how
  let seconds = 0
  const decodedAt: number[] = []
  const model = countdownModel(() => decodedAt.push(seconds))
  // A clock that is looked at twice in a step of 0.1 s.
  const { scheduler, tokensOf } = setUp(16, model, () => (seconds += 0.05))
  for (let id = 0; id < 16; id++) scheduler.add({ ...piece(id, 90), isReadAlong })
  while (tokensOf(15).length === 0) await scheduler.step()
  const waits = decodedAt.slice(1).map((at, index) => at - decodedAt[index]!)
  expect(waits.length).toBeGreaterThan(0)
  expect(Math.max(...waits)).toBeGreaterThan(longest / 2)
  expect(Math.max(...waits)).toBeLessThanOrEqual(longest + 0.2)
})

test('a cancelled piece leaves at the next step, wherever it stands', async () => {
  const { scheduler, tokensOf, end, drain } = setUp(1)
  for (const id of [0, 1, 2]) scheduler.add(piece(id, 40))
  while (tokensOf(0).length < 3) await scheduler.step()
  scheduler.cancel(0)
  scheduler.cancel(1)
  const said = tokensOf(0).length
  await drain()
  expect(tokensOf(0)).toHaveLength(said)
  expect(tokensOf(1)).toEqual([])
  expect(end(0) ?? end(1)).toBeUndefined()
  expect(tokensOf(2)).toEqual(countdown(40))
})

test('the token limit and a loop end a generation', async () => {
  const looping = countdownModel()
  looping.decoder.step = async (cache: KvCache, _embeds: Float32Array, tokens: number) => {
    const slice = new Float32Array(cache.rows * tokens)
    cache.append([slice, slice], tokens)
    const rows = Array.from({ length: cache.rows }, () => 7)
    return { tokens: rows, logprobs: rows, logits: undefined }
  }
  const limited = setUp(1)
  limited.scheduler.add(piece(0, 90, 10))
  await limited.drain()
  expect(limited.end(0)).toMatchObject({ type: 'done', reason: 'length' })
  expect(limited.tokensOf(0)).toHaveLength(10)
  const looped = setUp(1, looping)
  looped.scheduler.add(piece(0, 1))
  await looped.drain()
  expect(looped.end(0)).toMatchObject({ type: 'done', reason: 'loop' })
  expect(looped.tokensOf(0)).toHaveLength(20)
})

test('a failing step fails the rows in it and nothing after it', async () => {
  const { scheduler, end, tokensOf, drain } = setUp(2)
  scheduler.add(piece(0, 666))
  scheduler.add(piece(1, 5))
  await drain()
  expect(end(0)).toMatchObject({ type: 'failed' })
  expect(tokensOf(1)).toEqual(countdown(5))
})

describe('a device that fails', () => {
  /** Fails a decode step of more than `room` rows, as a full device does. */
  function smallDevice(room: number, message: string) {
    const model = countdownModel()
    const { decoder } = model
    model.decoder = {
      newCache: (rows) => decoder.newCache(rows),
      step: (cache, ...rest) =>
        cache.rows > room ? Promise.reject(new Error(message)) : decoder.step(cache, ...rest),
    }
    return model
  }

  test('with too little memory for the batch: half of it waits, then goes on from its last token', async () => {
    const { scheduler, tokensOf, end, drain } = setUp(8, smallDevice(3, 'Failed to allocate memory'))
    for (let id = 0; id < 8; id++) scheduler.add(piece(id, 20 + id))
    await drain()
    for (let id = 0; id < 8; id++) {
      expect(tokensOf(id)).toEqual(countdown(20 + id))
      expect(end(id)).toMatchObject({ type: 'done', promptTokens: 2 })
    }
  })

  test('with too little memory for one row: the request fails, the next may be smaller', async () => {
    const { scheduler, end, drain } = setUp(2, smallDevice(0, 'out of memory'))
    scheduler.add(piece(0, 9))
    await drain()
    expect(end(0)).toMatchObject({ type: 'failed', message: expect.stringContaining('out of memory') })
  })

  test.each([{ beside: 0 }, { beside: 4 }])(
    'with too little memory for one piece: it fails, and batches are as large as before, $beside beside it',
    async ({ beside }) => {
      const sizes: number[] = []
      const model = countdownModel((rows) => sizes.push(rows))
      const step = model.decoder.step.bind(model.decoder)
      model.decoder.step = (cache, embeds, tokens, wantLogits) =>
        tokens > 50 ? Promise.reject(new Error('std::bad_alloc')) : step(cache, embeds, tokens, wantLogits)
      const { scheduler, tokensOf, end, drain } = setUp(8, model)
      for (let id = 1; id <= beside; id++) scheduler.add(piece(id, 9 + id))
      while (beside > 0 && tokensOf(beside).length === 0) await scheduler.step()
      scheduler.add({ ...piece(0, 9), before: Array.from({ length: 100 }, () => 9) })
      await drain()
      expect(end(0)).toMatchObject({ type: 'failed' })
      for (let id = 1; id <= beside; id++) expect(tokensOf(id)).toEqual(countdown(9 + id))
      sizes.length = 0
      for (let id = 10; id < 18; id++) scheduler.add(piece(id, 9))
      await drain()
      expect(Math.max(...sizes)).toBe(8)
    },
  )

  /** Of WebGPU: what did not fit once never will again, until the model is loaded anew. */
  function poisonedDevice(room: number) {
    const good = countdownModel()
    let isPoisoned = false
    let loads = 0
    const model: PreparationModel = {
      ...good,
      decoder: {
        newCache: (rows) => good.decoder.newCache(rows),
        step(cache, ...rest) {
          isPoisoned ||= cache.rows > room
          return isPoisoned
            ? Promise.reject(new Error('[Invalid Buffer] is invalid due to a previous error.'))
            : good.decoder.step(cache, ...rest)
        },
      },
    }
    const reload = () => {
      loads++
      isPoisoned = false
      return Promise.resolve(model)
    }
    return { model, reload, loads: () => loads }
  }

  test('and does not recover by itself: the model is loaded anew, and all go on', async () => {
    const { model, reload, loads } = poisonedDevice(3)
    const { scheduler, tokensOf, end, drain } = setUp(8, model, () => 0, { reload })
    for (let id = 0; id < 8; id++) scheduler.add(piece(id, 20 + id))
    await drain()
    for (let id = 0; id < 8; id++) {
      expect(tokensOf(id)).toEqual(countdown(20 + id))
      expect(end(id)).toMatchObject({ type: 'done', promptTokens: 2 })
    }
    expect(loads()).toBe(2)
  })

  test('and is full after a load too: the process ends, and says what to do', async () => {
    const { model, reload } = poisonedDevice(0)
    const { scheduler, drain } = setUp(2, model, () => 0, { reload })
    scheduler.add(piece(0, 9))
    await expect(drain()).rejects.toThrow(/does not fit on the device: use int4/)
  })

  test('that is lost ends everything', async () => {
    const { scheduler, drain } = setUp(2, smallDevice(0, 'WebGPU device lost (reason 2)'))
    scheduler.add(piece(0, 9))
    await expect(drain()).rejects.toThrow(DeviceError)
  })
})

describe('side by side', () => {
  /** Helpers that work as the scheduler does itself, and note for which pieces. */
  function fakeHelpers(count: number, failing?: { id: number; error: Error }) {
    const prepared: number[][] = Array.from({ length: count }, () => [])
    const freed: number[] = []
    /** What became of each piece, in order. */
    const log: string[] = []
    let working = 0
    let most = 0
    const ready = prepared.map((ids) => ({
      async *prepare(request: PieceRequest, alone: () => boolean) {
        ids.push(request.id)
        log.push(`begin ${request.id}`)
        const steps = prepareRow(countdownModel(), request, alone)
        try {
          for (;;) {
            most = Math.max(most, ++working)
            const { done, value } = await steps.next().finally(() => working--)
            if (request.id === failing?.id) throw failing.error
            if (!done) yield value
            else {
              const lender = {
                take: () => expect.fail('it does not grow'),
                give: () => freed.push(request.id),
              }
              const row = (value.cache as KvCache).detach()
              return { ...value, cache: KvCache.attach(countdownShape, row, lender) }
            }
          }
        } finally {
          log.push(`end ${request.id}`)
        }
      },
    }))
    const helpers = { ready, wake: () => {} } as unknown as NonNullable<SchedulerOptions['helpers']>
    return { helpers, prepared, freed, log, most: () => most }
  }

  const withHelpers = (helpers: NonNullable<SchedulerOptions['helpers']>, slots = 8) =>
    setUp(slots, countdownModel(), () => 0, { helpers })

  test('waiting pieces share the helpers, and each gets its own answer', async () => {
    const { helpers, prepared, freed, most } = fakeHelpers(2)
    const { scheduler, tokensOf, drain } = withHelpers(helpers)
    const lengths = [5, 30, 12, 2, 19]
    for (const [id, length] of lengths.entries()) scheduler.add(piece(id, length))
    await drain()
    for (const [id, length] of lengths.entries()) expect(tokensOf(id)).toEqual(countdown(length))
    // The fifth has nobody beside it, and gets all threads.
    expect(prepared).toEqual([
      [0, 2],
      [1, 3],
    ])
    expect(new Set(freed)).toEqual(new Set([0, 1, 2, 3]))
    expect(most()).toBe(2)
  })

  test('one that came first and has only its features is prepared beside those that came meanwhile', async () => {
    const { helpers, prepared } = fakeHelpers(2)
    const { scheduler, tokensOf, drain } = withHelpers(helpers)
    scheduler.add(piece(0, 9))
    await scheduler.step()
    scheduler.add(piece(1, 9))
    await drain()
    expect(prepared).toEqual([[0], [1]])
    for (const id of [0, 1]) expect(tokensOf(id)).toEqual(countdown(9))
  })

  test('one that is further goes on alone, as does one whose reader waits', async () => {
    const { helpers, prepared } = fakeHelpers(2)
    const further = withHelpers(helpers)
    further.scheduler.add(piece(0, 9))
    for (let step = 0; step < 2; step++) await further.scheduler.step()
    further.scheduler.add(piece(1, 9))
    const read = withHelpers(helpers)
    read.scheduler.add({ ...piece(2, 9), isReadAlong: true })
    await read.scheduler.step()
    read.scheduler.add(piece(3, 9))
    for (const { drain } of [further, read]) await drain()
    expect(prepared.flat()).toEqual([])
  })

  test('no more than there are rows, and none where somebody reads along', async () => {
    const { helpers, prepared } = fakeHelpers(3)
    const few = withHelpers(helpers, 2)
    for (let id = 0; id < 6; id++) few.scheduler.add(piece(id, 9))
    await few.drain()
    const read = withHelpers(helpers)
    read.scheduler.add({ ...piece(0, 90), isReadAlong: true })
    while (read.tokensOf(0).length === 0) await read.scheduler.step()
    for (let id = 1; id < 4; id++) read.scheduler.add(piece(id, 9))
    while (read.tokensOf(3).length === 0) await read.scheduler.step()
    expect(prepared.flat()).toEqual([])
  })

  test('a piece that leaves or fails does not touch the one beside it', async () => {
    const { helpers } = fakeHelpers(2, { id: 3, error: new Error('a bad prompt') })
    const { scheduler, tokensOf, end, drain } = withHelpers(helpers)
    for (let id = 0; id < 4; id++) scheduler.add(piece(id, 9))
    await scheduler.step()
    scheduler.cancel(0)
    await drain()
    expect(tokensOf(0)).toEqual([])
    expect(end(0)).toBeUndefined()
    for (const id of [1, 2]) expect(tokensOf(id)).toEqual(countdown(9))
    expect(end(3)).toMatchObject({ type: 'failed' })
  })

  test('a helper has let go of a piece that leaves before it begins another', async () => {
    const { helpers, log } = fakeHelpers(2)
    const { scheduler, tokensOf, drain } = withHelpers(helpers)
    for (let id = 0; id < 4; id++) scheduler.add(piece(id, 9))
    await scheduler.step()
    scheduler.cancel(0)
    scheduler.cancel(1)
    await drain()
    expect(log.slice(0, 6)).toEqual(['begin 0', 'begin 1', 'end 0', 'end 1', 'begin 2', 'begin 3'])
    for (const id of [2, 3]) expect(tokensOf(id)).toEqual(countdown(9))
  })

  test('a piece that left while its helper was gone is prepared by nobody', async () => {
    const { helpers, prepared } = fakeHelpers(2, { id: 1, error: new HelperGone('the thread has ended') })
    const mel = { extract: () => expect.fail('nobody waits for it') }
    const { scheduler, tokensOf, end, drain } = setUp(8, { ...countdownModel(), mel }, () => 0, { helpers })
    for (let id = 0; id < 2; id++) scheduler.add(piece(id, 9))
    const step = scheduler.step()
    while (prepared.flat().length < 2) await Promise.resolve()
    scheduler.cancel(1)
    await step
    await drain()
    expect(tokensOf(0)).toEqual(countdown(9))
    expect(tokensOf(1)).toEqual([])
    expect(end(1)).toBeUndefined()
    expect(prepared.flat()).toEqual([0, 1])
  })

  test('a piece whose helper is gone is prepared by another', async () => {
    const { helpers, prepared } = fakeHelpers(2, { id: 1, error: new HelperGone('the thread has ended') })
    const { scheduler, tokensOf, drain } = withHelpers(helpers)
    for (let id = 0; id < 2; id++) scheduler.add(piece(id, 9))
    await drain()
    for (let id = 0; id < 2; id++) expect(tokensOf(id)).toEqual(countdown(9))
    expect(prepared.flat()).toEqual([0, 1])
  })
})
