export interface Cores {
  /** Cores that this process may use. */
  available: number
  /** Cores of the machine. */
  total: number
  /** Others compute beside this process: instances that one supervisor started. */
  shared: boolean
}

/**
 * Whether threads of a matrix product may spin while they wait for the next one. It saves some per cent of
 * a request's time, but on shared cores a spinning thread takes them from the other instances. So: alone on the
 * machine, or on cores that were set apart for this process.
 */
export function maySpin({ available, total, shared }: Cores): boolean {
  return !shared || available < total
}
