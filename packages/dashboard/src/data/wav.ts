const headerBytes = 44

/** A mono WAV file of 16-bit samples; `samples` are −1 to 1. */
export function encodeWav(samples: Float32Array, sampleRateHz: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(headerBytes + samples.length * 2))
  const text = (at: number, letters: string): void => {
    for (let i = 0; i < letters.length; i += 1) view.setUint8(at + i, letters.charCodeAt(i))
  }
  text(0, 'RIFF')
  view.setUint32(4, view.byteLength - 8, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true)
  view.setUint16(22, 1, true)
  view.setUint32(24, sampleRateHz, true)
  view.setUint32(28, sampleRateHz * 2, true)
  view.setUint16(32, 2, true)
  view.setUint16(34, 16, true)
  text(36, 'data')
  view.setUint32(40, samples.length * 2, true)
  samples.forEach((sample, i) => {
    const clipped = Math.max(-1, Math.min(1, sample))
    view.setInt16(headerBytes + i * 2, Math.round(clipped * 32_767), true)
  })
  return view.buffer as ArrayBuffer
}
