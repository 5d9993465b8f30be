const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** East Asian wide and full-width characters, and emoji: two columns each. */
const wide =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u

export interface Grapheme {
  text: string
  columns: number
}

export function* graphemesOf(text: string): Generator<Grapheme> {
  for (const { segment } of graphemes.segment(text)) {
    yield { text: segment, columns: wide.test(segment) ? 2 : 1 }
  }
}

/** Width on a screen with fixed columns: what a reader perceives as the length of a line. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const grapheme of graphemesOf(text)) columns += grapheme.columns
  return columns
}
