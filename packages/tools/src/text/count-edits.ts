export interface Edits {
  substitutions: number
  deletions: number
  insertions: number
}

export function totalEdits({ substitutions, deletions, insertions }: Edits): number {
  return substitutions + deletions + insertions
}

/**
 * The fewest edits from the reference to the hypothesis (Levenshtein), by kind; where several ways take as many, a
 * substitution goes before a deletion and a deletion before an insertion. Memory is a few rows of the table.
 */
export function countEdits(reference: readonly string[], hypothesis: readonly string[]): Edits {
  const width = hypothesis.length + 1
  // Per cell the cost and, of the best way to it, the deletions and insertions; substitutions are the rest.
  let cost = Uint32Array.from({ length: width }, (_, j) => j)
  let deletions = new Uint32Array(width)
  let insertions = Uint32Array.from({ length: width }, (_, j) => j)
  let nextCost = new Uint32Array(width)
  let nextDeletions = new Uint32Array(width)
  let nextInsertions = new Uint32Array(width)
  for (const [i, word] of reference.entries()) {
    nextCost[0] = i + 1
    nextDeletions[0] = i + 1
    nextInsertions[0] = 0
    for (let j = 1; j < width; j++) {
      const substituted = (cost[j - 1] as number) + (word === hypothesis[j - 1] ? 0 : 1)
      const deleted = (cost[j] as number) + 1
      const inserted = (nextCost[j - 1] as number) + 1
      if (substituted <= deleted && substituted <= inserted) {
        nextCost[j] = substituted
        nextDeletions[j] = deletions[j - 1] as number
        nextInsertions[j] = insertions[j - 1] as number
      } else if (deleted <= inserted) {
        nextCost[j] = deleted
        nextDeletions[j] = (deletions[j] as number) + 1
        nextInsertions[j] = insertions[j] as number
      } else {
        nextCost[j] = inserted
        nextDeletions[j] = nextDeletions[j - 1] as number
        nextInsertions[j] = (nextInsertions[j - 1] as number) + 1
      }
    }
    ;[cost, nextCost] = [nextCost, cost]
    ;[deletions, nextDeletions] = [nextDeletions, deletions]
    ;[insertions, nextInsertions] = [nextInsertions, insertions]
  }
  const end = width - 1
  const edits = { deletions: deletions[end] as number, insertions: insertions[end] as number }
  return { ...edits, substitutions: (cost[end] as number) - edits.deletions - edits.insertions }
}
