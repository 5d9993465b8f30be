import { sampleRate } from '../features/log-mel.js'
import type { CutRule } from './cut-rule.js'
import { frameRms, frameSamples, pauseThreshold, peakRms } from './loudness.js'

const quietWindowSamples = sampleRate / 10

/** Sample index inside the first pause that is long enough and follows some sound; undefined if there is none. */
export function findPause(samples: Float32Array, pauseSeconds: number): number | undefined {
  const rms = frameRms(samples)
  const threshold = pauseThreshold(peakRms(rms))
  const needed = Math.round((pauseSeconds * sampleRate) / frameSamples)
  let quiet = 0
  let heard = false
  for (let frame = 0; frame < rms.length; frame++) {
    if (rms[frame]! >= threshold) {
      heard = true
      quiet = 0
    } else if (++quiet >= needed && heard) {
      return Math.round((frame + 1 - quiet / 2) * frameSamples)
    }
  }
  return undefined
}

/**
 * Where to cut a stretch that must be cut: the quietest 100 ms in its second half, and there the sample nearest zero
 * (the official SDK's rule, which looks 5 s around a fixed point, with a wider search).
 */
export function findQuietest(samples: Float32Array, maxSamples: number): number {
  const from = Math.floor(maxSamples / 2)
  let sum = 0
  for (let i = from; i < from + quietWindowSamples; i++) sum += Math.abs(samples[i]!)
  let best = from
  let bestSum = sum
  for (let start = from + 1; start + quietWindowSamples <= maxSamples; start++) {
    sum += Math.abs(samples[start + quietWindowSamples - 1]!) - Math.abs(samples[start - 1]!)
    if (sum < bestSum) {
      bestSum = sum
      best = start
    }
  }
  let cut = best
  for (let i = best; i < best + quietWindowSamples; i++) {
    if (Math.abs(samples[i]!) < Math.abs(samples[cut]!)) cut = i
  }
  return Math.max(1, cut)
}

/** Where to cut `samples`, of which nothing follows if `atEnd`; undefined: not yet, or not at all. */
export function findCut(samples: Float32Array, rule: CutRule, atEnd: boolean): number | undefined {
  const maxSamples = Math.round(rule.maxPieceSeconds * sampleRate)
  if (!atEnd && samples.length < maxSamples) return undefined
  const pause =
    rule.pauseSeconds === null ? undefined : findPause(samples.subarray(0, maxSamples), rule.pauseSeconds)
  if (pause !== undefined && pause < samples.length) return pause
  return samples.length > maxSamples ? findQuietest(samples, maxSamples) : undefined
}
