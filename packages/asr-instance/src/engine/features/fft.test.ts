import { expect, test } from 'vitest'
import { RealPowerSpectrum } from './fft.js'

test.each([400, 16, 60, 14])('the power spectrum of %d samples is that of the plain sum', (length) => {
  const frame = Float64Array.from({ length }, (_, i) => Math.sin(i * i * 0.37) + 0.2 * i)
  const power = new Float64Array(length / 2 + 1)
  new RealPowerSpectrum(length).transform(frame, power)
  for (let k = 0; k <= length / 2; k++) {
    let re = 0
    let im = 0
    for (let i = 0; i < length; i++) {
      re += frame[i]! * Math.cos((2 * Math.PI * i * k) / length)
      im -= frame[i]! * Math.sin((2 * Math.PI * i * k) / length)
    }
    expect(power[k]).toBeCloseTo(re * re + im * im, 6)
  }
})

test('a length with a large prime factor is refused', () => {
  expect(() => new RealPowerSpectrum(26)).toThrow(RangeError)
})
