/** One triangular filter as the run of its non-zero weights. */
export interface MelFilter {
  firstBin: number
  weights: Float64Array
}

/** Slaney's mel scale (linear to 1 kHz, logarithmic above) with area normalisation, as librosa's default. */
export function slaneyFilters(bands: number, fftLength: number, sampleRate: number): MelFilter[] {
  const top = toMel(sampleRate / 2)
  const edges = Array.from({ length: bands + 2 }, (_, i) => toHertz((top * i) / (bands + 1)))
  const bins = fftLength / 2 + 1
  return Array.from({ length: bands }, (_, band) => {
    const [low, centre, high] = edges.slice(band, band + 3) as [number, number, number]
    const all = Float64Array.from({ length: bins }, (_unused, bin) => {
      const hertz = (bin * sampleRate) / fftLength
      const rise = (hertz - low) / (centre - low)
      const fall = (high - hertz) / (high - centre)
      return (Math.max(0, Math.min(rise, fall)) * 2) / (high - low)
    })
    const firstBin = Math.max(
      0,
      all.findIndex((weight) => weight > 0),
    )
    const lastBin = all.findLastIndex((weight) => weight > 0)
    return { firstBin, weights: all.slice(firstBin, lastBin + 1) }
  })
}

const linearStep = 200 / 3
const breakHertz = 1000
const breakMel = breakHertz / linearStep
const logStep = Math.log(6.4) / 27

function toMel(hertz: number): number {
  return hertz < breakHertz ? hertz / linearStep : breakMel + Math.log(hertz / breakHertz) / logStep
}

function toHertz(mel: number): number {
  return mel < breakMel ? mel * linearStep : breakHertz * Math.exp(logStep * (mel - breakMel))
}
