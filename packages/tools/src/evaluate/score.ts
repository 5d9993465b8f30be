import { countEdits, totalEdits, type Edits } from '../text/count-edits.js'
import { charactersOf, wordsOf } from '../text/normalise.js'

/** Edits over the length of the reference. */
export interface ErrorCount extends Edits {
  length: number
}

export interface ClipScore {
  words: ErrorCount
  characters: ErrorCount
}

/** Compares a transcript with what was said, under the rules of `normalisation`. */
export function scoreClip(said: string, heard: string): ClipScore {
  return {
    words: count(wordsOf(said), wordsOf(heard)),
    characters: count(charactersOf(said), charactersOf(heard)),
  }
}

function count(reference: readonly string[], hypothesis: readonly string[]): ErrorCount {
  return { ...countEdits(reference, hypothesis), length: reference.length }
}

/** Errors per unit of the reference; null for an empty reference that nothing was added to, infinite if something was. */
export function errorRate(errors: ErrorCount): number | null {
  const edits = totalEdits(errors)
  if (errors.length === 0) return edits === 0 ? null : Infinity
  return edits / errors.length
}

export function addCounts(counts: readonly ErrorCount[]): ErrorCount {
  const sum = { substitutions: 0, deletions: 0, insertions: 0, length: 0 }
  for (const one of counts) {
    sum.substitutions += one.substitutions
    sum.deletions += one.deletions
    sum.insertions += one.insertions
    sum.length += one.length
  }
  return sum
}
