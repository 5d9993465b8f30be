/**
 * The `count` cores that the fewest other instances have, lowest numbers first. `taken` are the sets of the others.
 * Null if there are fewer cores than that: a set of all of them would only be in the way.
 */
export function placeCpus(
  count: number,
  cores: readonly number[],
  taken: readonly (readonly number[])[],
): number[] | null {
  if (count >= cores.length) return null
  const uses = (core: number): number => taken.filter((set) => set.includes(core)).length
  return cores
    .toSorted((a, b) => uses(a) - uses(b) || a - b)
    .slice(0, count)
    .toSorted((a, b) => a - b)
}

/** `0,2-5` → [0, 2, 3, 4, 5]: the form of `Cpus_allowed_list` and of `taskset -c`. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [from, to] = part.split('-').map(Number) as [number, number | undefined]
      return Array.from({ length: (to ?? from) - from + 1 }, (_, offset) => from + offset)
    })
}
