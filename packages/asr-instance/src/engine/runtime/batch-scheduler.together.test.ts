import { describe, expect, test } from 'vitest'
import { countdown, countdownModel, piece, setUp } from './batch-scheduler.fixture.js'
import { coalesce } from './coalesce.js'

describe('pieces that are prepared together', () => {
  /** Counts the pieces of each prompt run; a run with more than `most` fails as a device without memory does. */
  function together(most: number) {
    const runs: number[] = []
    const plain = countdownModel()
    const step = coalesce(async (steps: readonly Parameters<typeof plain.decoder.step>[]) => {
      if (steps.some(([, , tokens]) => tokens > 1)) runs.push(steps.length)
      if (steps.length > most) throw new Error('out of memory')
      return Promise.all(steps.map((args) => plain.decoder.step(...args)))
    })
    const decoder = {
      newCache: (rows: number) => plain.decoder.newCache(rows),
      step: (...args: Parameters<typeof plain.decoder.step>) => step(args),
    }
    return { runs, model: { ...plain, decoder, isTogether: true } }
  }

  test('share the run of their prompts, as many as there is room for', async () => {
    const { runs, model } = together(Infinity)
    const { scheduler, tokensOf, drain } = setUp(5, model)
    for (let id = 0; id < 7; id++) scheduler.add(piece(id, 4 + id))
    await drain()
    expect(runs[0]).toBe(5)
    expect(runs.reduce((sum, count) => sum + count)).toBe(7)
    for (let id = 0; id < 7; id++) expect(tokensOf(id)).toEqual(countdown(4 + id))
  })

  test('one that leaves meanwhile does not disturb the others', async () => {
    const { model } = together(Infinity)
    const { scheduler, tokensOf, end, drain } = setUp(4, model)
    for (let id = 0; id < 4; id++) scheduler.add(piece(id, 9))
    await scheduler.step()
    scheduler.cancel(2)
    await drain()
    expect(end(2)).toBeUndefined()
    for (const id of [0, 1, 3]) expect(tokensOf(id)).toEqual(countdown(9))
  })

  test('a device without memory for all of them is mended once, and all are answered', async () => {
    const { runs, model } = together(2)
    let reloads = 0
    const released: number[] = []
    const loaded = (life: number) => ({
      ...model,
      decoder: { ...model.decoder, releaseMemory: () => released.push(life) },
    })
    const reload = async () => loaded(++reloads)
    const { scheduler, tokensOf, drain } = setUp(4, loaded(0), () => 0, { reload })
    scheduler.add(piece(9, 3))
    await drain()
    for (let id = 0; id < 4; id++) scheduler.add(piece(id, 6))
    await drain()
    expect(runs.slice(0, 3)).toEqual([1, 4, 2])
    expect(reloads).toBe(1)
    for (let id = 0; id < 4; id++) expect(tokensOf(id)).toEqual(countdown(6))
    scheduler.releaseMemory()
    expect(released).toEqual([1])
  })
})
