import { expect, test } from 'vitest'
import type { CutRule } from './cut-rule.js'
import { cutPieces, type Piece } from './cut-pieces.js'

const rate = 16_000

/** Tones where `loud`, silence elsewhere; `pattern` is [seconds, loud] pairs. */
function recording(...pattern: readonly [number, boolean][]): Float32Array {
  const parts = pattern.map(([seconds, loud]) =>
    Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => (loud ? 0.3 * Math.sin(i * 0.2) : 0)),
  )
  return Float32Array.from(parts.flatMap((part) => [...part]))
}

async function cut(
  samples: Float32Array,
  rule: CutRule,
  chunk = 4000,
): Promise<{ pieces: Piece[]; heard: number }> {
  const pieces: Piece[] = []
  let heard = 0
  async function* chunks() {
    for (let at = 0; at < samples.length; at += chunk) yield samples.subarray(at, at + chunk)
  }
  for await (const piece of cutPieces(chunks(), rule, (count) => (heard += count))) pieces.push(piece)
  return { pieces, heard }
}

test('a recording that fits is one untouched piece', async () => {
  const samples = recording([1, false], [2, true], [1, false])
  const { pieces, heard } = await cut(samples, { maxPieceSeconds: 4, pauseSeconds: 0.3 })
  expect(pieces).toHaveLength(1)
  expect(pieces[0]!.samples).toEqual(samples)
  expect(heard).toBe(samples.length)
})

test('silence gives no piece', async () => {
  expect((await cut(new Float32Array(10 * rate), { maxPieceSeconds: 4, pauseSeconds: null })).pieces).toEqual(
    [],
  )
  expect((await cut(new Float32Array(0), { maxPieceSeconds: 4, pauseSeconds: null })).pieces).toEqual([])
})

test('a long recording is cut at its pauses, each sound in one piece', async () => {
  const samples = recording(
    [0.5, false],
    [1.5, true],
    [0.6, false],
    [1, true],
    [0.1, false],
    [1, true],
    [0.5, false],
    [2, true],
  )
  const { pieces } = await cut(samples, { maxPieceSeconds: 4, pauseSeconds: 0.4 })
  expect(pieces.map(({ start, end }) => [Math.round(start * 10) / 10, Math.round(end * 10) / 10])).toEqual([
    [0.3, 2.2],
    [2.4, 4.9],
    [5, 7.2],
  ])
})

test('without pauses nothing is lost or doubled, and the cut is at the quietest place', async () => {
  const samples = recording([3.2, true], [0.12, false], [5, true])
  const { pieces } = await cut(samples, { maxPieceSeconds: 4, pauseSeconds: null })
  expect(pieces[0]!.end).toBeGreaterThan(3.19)
  expect(pieces[0]!.end).toBeLessThan(3.33)
  let loud = 0
  for (const piece of pieces) loud += piece.samples.filter((sample) => sample !== 0).length
  expect(loud).toBe(samples.filter((sample) => sample !== 0).length)
  for (const piece of pieces) expect(piece.samples.length).toBeLessThanOrEqual(4 * rate)
})

test('the size of the incoming chunks changes nothing', async () => {
  const samples = recording(
    [2.5, true],
    [0.5, false],
    [3, true],
    [0.2, false],
    [6, true],
    [0.4, false],
    [1, true],
  )
  const rule = { maxPieceSeconds: 4, pauseSeconds: 0.3 }
  const { pieces } = await cut(samples, rule, 64_000)
  for (const chunk of [160, 4001, 1_000_000]) expect((await cut(samples, rule, chunk)).pieces).toEqual(pieces)
})
