export const dtypeBytes = { F32: 4, F16: 2, BF16: 2 } as const
export type FloatDtype = keyof typeof dtypeBytes

/** Little-endian bytes of a dtype → float32 values. `raw` must start on a multiple of 4 bytes. */
export function toFloat32(raw: Uint8Array, dtype: FloatDtype): Float32Array {
  if (dtype === 'F32') return new Float32Array(raw.buffer, raw.byteOffset, raw.byteLength / 4)
  const halves = new Uint16Array(raw.buffer, raw.byteOffset, raw.byteLength / 2)
  return dtype === 'BF16' ? bfloat16ToFloat32(halves) : float16ToFloat32(halves)
}

function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16
  return new Float32Array(bits.buffer)
}

let float16Table: Float32Array | undefined

function float16ToFloat32(halves: Uint16Array): Float32Array {
  float16Table ??= Float32Array.from({ length: 65536 }, (_, half) => float16Value(half))
  const table = float16Table
  const out = new Float32Array(halves.length)
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i] as number] as number
  return out
}

/** Value of one IEEE 754 binary16 pattern. */
export function float16Value(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)

/** float32 → binary16 pattern, round to nearest even, overflow to infinity. */
export function toFloat16Bits(value: number): number {
  scratch[0] = value
  const bits = scratchBits[0] as number
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Subnormal: scale so that one unit is the last place, then round half to even.
    const units = Math.abs(scratch[0] as number) * 2 ** 24
    const floor = Math.floor(units)
    const rest = units - floor
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor & 1) ? 1 : 0))
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

/** Patterns of many values. */
export function toFloat16(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) halves[i] = toFloat16Bits(values[i]!)
  return halves
}
