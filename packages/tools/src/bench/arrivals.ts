import type { Arrivals } from './plan.js'

/**
 * Times in milliseconds from the start at which the requests of an open loop are due: even steps, or exponential gaps
 * (a Poisson process, as of many people who do not know of each other). `random` gives 0 to 1, 1 excluded.
 */
export function* arrivalTimes(
  { ratePerSecond, durationMs, arrivals }: { ratePerSecond: number; durationMs: number; arrivals: Arrivals },
  random: () => number,
): Generator<number> {
  const meanMs = 1000 / ratePerSecond
  if (arrivals === 'constant') {
    for (let i = 0; i * meanMs < durationMs; i++) yield i * meanMs
    return
  }
  for (let at = gap(meanMs, random); at < durationMs; at += gap(meanMs, random)) yield at
}

function gap(meanMs: number, random: () => number): number {
  return -Math.log(1 - random()) * meanMs
}

/** Mulberry32: the same sequence for the same seed, so that two runs get the same load. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
