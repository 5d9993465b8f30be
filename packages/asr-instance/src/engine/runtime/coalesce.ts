/** One function for each item, whose calls of the same turn become one call of `runAll`; its answers are in order. */
export function coalesce<T, R>(
  runAll: (items: readonly T[]) => Promise<readonly R[]>,
): (item: T) => Promise<R> {
  let items: T[] = []
  let results: Promise<readonly R[]> | undefined
  return async (item) => {
    const index = items.push(item) - 1
    results ??= Promise.resolve().then(() => {
      const all = items
      items = []
      results = undefined
      return runAll(all)
    })
    return (await results)[index]!
  }
}
