import { aLawTable, muLawTable } from './g711.js'

export type SampleFormat = 'u8' | 's16' | 's24' | 's32' | 'f32' | 'f64' | 'alaw' | 'mulaw'

export const sampleBytes: Record<SampleFormat, number> = {
  u8: 1,
  s16: 2,
  s24: 3,
  s32: 4,
  f32: 4,
  f64: 8,
  alaw: 1,
  mulaw: 1,
}

type ReadSample = (view: DataView, offset: number) => number

/** Little-endian. Integers map so that full scale is -1; floats stay as they are, but never NaN or infinite. */
const readers: Record<SampleFormat, ReadSample> = {
  u8: (view, offset) => (view.getUint8(offset) - 128) / 128,
  s16: (view, offset) => view.getInt16(offset, true) / 32768,
  s24: (view, offset) => (view.getInt8(offset + 2) * 65536 + view.getUint16(offset, true)) / 8388608,
  s32: (view, offset) => view.getInt32(offset, true) / 2147483648,
  f32: (view, offset) => finite(view.getFloat32(offset, true)),
  f64: (view, offset) => finite(view.getFloat64(offset, true)),
  alaw: (view, offset) => aLawTable[view.getUint8(offset)] as number,
  mulaw: (view, offset) => muLawTable[view.getUint8(offset)] as number,
}

/**
 * Turns interleaved PCM into mono by the mean of its channels. `frameBytes` is the distance of two frames;
 * `data` must hold whole frames.
 */
export function pcmToMono(
  data: Uint8Array,
  format: SampleFormat,
  channels: number,
  frameBytes: number,
): Float32Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const read = readers[format]
  const step = sampleBytes[format]
  const mono = new Float32Array(Math.floor(data.length / frameBytes))
  for (let frame = 0, offset = 0; frame < mono.length; frame++, offset += frameBytes) {
    let sum = read(view, offset)
    for (let channel = 1; channel < channels; channel++) sum += read(view, offset + channel * step)
    mono[frame] = sum / channels
  }
  return mono
}

/** Limits to -1..1 in place: float files may go beyond, and so may a resampler on a full-scale square wave. */
export function clip(samples: Float32Array): Float32Array {
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] as number
    if (sample > 1) samples[i] = 1
    else if (sample < -1) samples[i] = -1
  }
  return samples
}

/** No sound is as loud; beyond it the sums of the resampler would leave what 32 bits can hold. */
const loudest = 1e6

function finite(value: number): number {
  if (Number.isFinite(value)) return Math.max(-loudest, Math.min(loudest, value))
  return Number.isNaN(value) ? 0 : Math.sign(value)
}

/** Re-cuts byte pieces so that each holds whole frames; a rest shorter than a frame is dropped at the end. */
export async function* wholeFrames(
  pieces: AsyncIterable<Uint8Array>,
  frameBytes: number,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0)
  for await (const piece of pieces) {
    const data = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const usable = data.length - (data.length % frameBytes)
    rest = data.subarray(usable)
    if (usable > 0) yield data.subarray(0, usable)
  }
}
