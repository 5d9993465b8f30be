/** Highest port there is. */
export const lastPort = 65_535

/**
 * Port that an instance should have; 0 for any. Groups may overlap, as they do when both have the default basePort: the
 * later one moves on, in the end beyond the last port there is.
 */
export function placePort(basePort: number, index: number, taken: ReadonlySet<number>): number {
  if (basePort === 0) return 0
  let port = basePort + index
  while (taken.has(port)) port += 1
  return port
}
