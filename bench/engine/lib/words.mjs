/** The words that count: Mandarin by characters, otherwise words without case and punctuation (the demo recipe's rule). */
export function counted(text) {
  if (/[\u4e00-\u9fff]/.test(text)) return Array.from(text.replace(/[^\u4e00-\u9fff]/g, ''))
  return text
    .toLowerCase()
    .replace(/[^\w' ]/g, ' ')
    .split(/\s+/)
    .filter(Boolean)
}

/** Levenshtein distance over words, in two rows. */
export function distance(a, b) {
  let row = Uint32Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = new Uint32Array(b.length + 1)
    next[0] = i + 1
    for (let j = 0; j < b.length; j++) {
      next[j + 1] = Math.min(row[j + 1] + 1, next[j] + 1, row[j] + (a[i] === b[j] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}
