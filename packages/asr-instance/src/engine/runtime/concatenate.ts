/** All values one after the other. */
export function concatenate<T extends Float32Array | Int32Array>(
  parts: readonly T[],
  make: new (length: number) => T,
): T {
  const joined = new make(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
