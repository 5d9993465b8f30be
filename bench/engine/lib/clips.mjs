import { readFileSync } from 'node:fs'

export const sampleRate = 16_000
const evalDir = new URL('../../../models/demo/eval/', import.meta.url)

/** The demo's evaluation clips: `audio`, `text`, `language`, `reference_output`. */
export function evalClips() {
  const lines = readFileSync(new URL('manifest.jsonl', evalDir), 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line))
}

/** Of a 16-bit WAV file of the evaluation set, in -1 to 1. */
export function samplesOf(name) {
  const wav = readFileSync(new URL(name, evalDir))
  return Float32Array.from({ length: (wav.length - 44) / 2 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32768)
}

/** Some seconds of real speech: the demo's clips one after another. */
export function speech(seconds) {
  const samples = new Float32Array(seconds * sampleRate)
  for (let i = 0, at = 0; at < samples.length; i++) {
    const clip = samplesOf(`${String(i).padStart(3, '0')}.wav`)
    samples.set(clip.subarray(0, samples.length - at), at)
    at += clip.length
  }
  return samples
}

export function wavOf(samples) {
  const out = Buffer.alloc(44 + 2 * samples.length)
  wavHeader(2 * samples.length, sampleRate).copy(out)
  samples.forEach((sample, i) => out.writeInt16LE(Math.round(sample * 32767), 44 + 2 * i))
  return out
}

/** Of so many bytes of mono 16-bit sound. */
export function wavHeader(bytes, rate) {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + bytes, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(rate, 24)
  header.writeUInt32LE(2 * rate, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(bytes, 40)
  return header
}
