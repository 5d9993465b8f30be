/** Operations change what the others look at, so there is one at a time. `down` waits for none. */
export interface OperationQueue {
  run<T>(operation: () => Promise<T>): Promise<T>
  isIdle(): boolean
}

export function createOperationQueue(): OperationQueue {
  let last: Promise<unknown> = Promise.resolve()
  let pending = 0
  return {
    run(operation) {
      pending += 1
      const result = last.then(operation).finally(() => {
        pending -= 1
      })
      last = result.catch(() => {})
      return result
    },
    isIdle: () => pending === 0,
  }
}
