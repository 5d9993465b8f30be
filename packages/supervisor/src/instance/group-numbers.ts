/** One instance that a group has. */
export interface GroupMember {
  index: number
  /** It goes before the others if the group gets smaller. */
  goesFirst: boolean
}

/**
 * Numbers of a group of `count`: those that it has, without those of the members that go, and the lowest that are free.
 * Those go first that shall, of them the highest numbers. Pure.
 */
export function numbersFor(members: readonly GroupMember[], count: number): number[] {
  const numbers = members
    .toSorted((a, b) => Number(a.goesFirst) - Number(b.goesFirst) || a.index - b.index)
    .map(({ index }) => index)
    .slice(0, count)
  for (let index = 0; numbers.length < count; index += 1) {
    if (!numbers.includes(index)) numbers.push(index)
  }
  return numbers.toSorted((a, b) => a - b)
}
