import { sampleRate } from '../features/log-mel.js'

export const frameSamples = sampleRate / 50

/** Below this a frame counts as silence whatever surrounds it: -60 dBFS. */
export const silenceRms = 10 ** (-60 / 20)
/** A frame this far below the loudest one counts as a pause: -35 dB. */
const pauseRatio = 10 ** (-35 / 20)

/** Root mean square of each whole 20 ms frame. */
export function frameRms(samples: Float32Array): Float32Array {
  const frames = new Float32Array(Math.floor(samples.length / frameSamples))
  for (let frame = 0; frame < frames.length; frame++) {
    let sum = 0
    for (let i = frame * frameSamples; i < (frame + 1) * frameSamples; i++) sum += samples[i]! * samples[i]!
    frames[frame] = Math.sqrt(sum / frameSamples)
  }
  return frames
}

/** Largest frame loudness, or 0 for less than one frame. */
export function peakRms(rms: Float32Array): number {
  let peak = 0
  for (const value of rms) if (value > peak) peak = value
  return peak
}

/** Loudness under which a frame of this stretch is a pause. */
export function pauseThreshold(peak: number): number {
  return Math.max(silenceRms, peak * pauseRatio)
}
