/** ITU-T G.711 expansion of each byte to -1..1, as tables of 256. */
export const aLawTable: Float32Array = Float32Array.from(
  { length: 256 },
  (_, code) => expandALaw(code) / 32768,
)
export const muLawTable: Float32Array = Float32Array.from(
  { length: 256 },
  (_, code) => expandMuLaw(code) / 32768,
)

function expandALaw(code: number): number {
  const bits = code ^ 0x55
  const exponent = (bits >> 4) & 7
  const mantissa = ((bits & 15) << 4) + 8
  const magnitude = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1)
  return bits & 0x80 ? magnitude : -magnitude
}

function expandMuLaw(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84
  return bits & 0x80 ? -magnitude : magnitude
}
