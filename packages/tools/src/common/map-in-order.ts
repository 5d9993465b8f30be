/**
 * Runs `work` on each item, at most `concurrency` at once, and yields the outcomes in the order of the items.
 * What is thrown is an outcome too: one bad file does not end the others.
 */
export async function* mapInOrder<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item, index: number) => Promise<Result>,
): AsyncGenerator<PromiseSettledResult<Result>> {
  const running: Promise<PromiseSettledResult<Result>>[] = []
  let free = Math.max(1, concurrency)
  const waiting: (() => void)[] = []
  const start = async (item: Item, index: number): Promise<PromiseSettledResult<Result>> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return { status: 'fulfilled', value: await work(item, index) }
    } catch (reason) {
      return { status: 'rejected', reason }
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
  for (const [index, item] of items.entries()) running.push(start(item, index))
  for (const outcome of running) yield await outcome
}
