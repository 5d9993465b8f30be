const minRepeats = 20
const longestPattern = 20

/**
 * The official SDK's `detect_and_fix_repetitions`: a run of more than 20 equal characters becomes one, and a pattern of
 * up to 20 characters that stands 20 times in a row is kept once.
 */
export function collapseRepetitions(text: string): string {
  return collapsePatterns(collapseRuns([...text])).join('')
}

function collapseRuns(characters: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < characters.length;) {
    let end = i
    while (end < characters.length && characters[end] === characters[i]) end++
    out.push(...(end - i > minRepeats ? [characters[i]!] : characters.slice(i, end)))
    i = end
  }
  return out
}

function collapsePatterns(characters: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < characters.length;) {
    const found = patternAt(characters, i)
    if (found) {
      out.push(...characters.slice(i, i + found.length))
      i += found.length * found.repeats
    } else {
      out.push(characters[i]!)
      i++
    }
  }
  return out
}

function patternAt(
  characters: readonly string[],
  start: number,
): { length: number; repeats: number } | undefined {
  for (let length = 1; length <= longestPattern; length++) {
    if (start + length * minRepeats > characters.length) return undefined
    let end = start + length
    while (end < characters.length && characters[end] === characters[end - length]) end++
    const repeats = Math.floor((end - start) / length)
    if (repeats >= minRepeats) return { length, repeats }
  }
  return undefined
}

/**
 * Whether a generation has run into a loop: its tail is one pattern of up to 20 tokens, 20 times in a row. Ends the
 * generation; the official code only trims afterwards and lets the loop run to the token limit.
 */
export function endsInLoop(tokens: readonly number[]): boolean {
  for (let length = 1; length <= longestPattern; length++) {
    const needed = length * minRepeats
    if (needed > tokens.length) return false
    let matched = length
    while (matched < needed && tokens.at(-1 - matched) === tokens.at(-1 - matched + length)) matched++
    if (matched === needed) return true
  }
  return false
}
