/**
 * Removes every token of `contents`, and everything that looks like `<|…|>`, until nothing of either kind is left: also
 * what only comes together by a removal. In one pass, as clients choose the text: what is kept is a stack that never
 * holds a token, so with each character only its end needs a look.
 */
export function removeControlTokens(text: string, contents: Iterable<string>): string {
  const byLast = byLastCharacter(contents)
  const kept: string[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    kept.push(character)
    const token = byLast.get(character)?.find((content) => endsWith(kept, content))
    const length = token?.length ?? markLength(kept)
    kept.length -= length
  }
  return kept.join('')
}

/** Of each last character the longer token first. */
function byLastCharacter(contents: Iterable<string>): Map<string, string[]> {
  const sorted = [...contents].filter((content) => content !== '').sort((a, b) => b.length - a.length)
  const byLast = new Map<string, string[]>()
  for (const content of sorted) {
    const last = content.charAt(content.length - 1)
    byLast.set(last, [...(byLast.get(last) ?? []), content])
  }
  return byLast
}

function endsWith(kept: readonly string[], content: string): boolean {
  const from = kept.length - content.length
  if (from < 0) return false
  for (let at = content.length - 1; at >= 0; at--) if (kept[from + at] !== content.charAt(at)) return false
  return true
}

/** Length of the `<|…|>` at the end, 0 without one. No character is passed twice: a `|>` that stays ends later searches. */
function markLength(kept: readonly string[]): number {
  if (kept.at(-1) !== '>' || kept.at(-2) !== '|') return 0
  let at = kept.length - 3
  while (at > 0 && kept[at] !== '<' && kept[at] !== '>' && kept[at] !== '|') at--
  return at > 0 && kept[at] === '|' && kept[at - 1] === '<' ? kept.length - at + 1 : 0
}
