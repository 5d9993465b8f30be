/** One instance of a group: its number in it, and whether it serves or is on its way to it. */
export interface GroupMember {
  index: number
  isAlive: boolean
}

/**
 * How large a group has to be so that `alive` of its instances are: those that failed or were stopped keep their numbers.
 * At most `largest`, or what the group has already. Pure.
 */
export function sizeFor(members: readonly GroupMember[], alive: number, largest: number): number {
  const dead = new Set(members.filter(({ isAlive }) => !isAlive).map(({ index }) => index))
  const limit = Math.max(largest, members.length)
  let size = 0
  for (let found = 0; found < alive && size < limit; size += 1) {
    if (!dead.has(size)) found += 1
  }
  return size
}
