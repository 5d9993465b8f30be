/** The rules below in a sentence, for reports: figures without their rules cannot be compared. */
export const normalisation =
  'Unicode NFKC, lower case, punctuation and symbols removed (apostrophes inside words kept); words are separated by ' +
  'spaces, and each character of Han, Kana, Thai, Lao, Khmer and Myanmar is a word; numbers and fillers stay as they are'

const apostrophes = /[\u2018\u2019\u02bc\uff07]/g
/** Neither letter, mark nor digit, but for an apostrophe between two of them. */
const separators = /(?!(?<=[\p{L}\p{M}\p{N}])'(?=[\p{L}\p{M}\p{N}]))[^\p{L}\p{M}\p{N}]+?/gu
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** What is left of a text when only its sounds count: lower case, words separated by one space. */
export function normalise(text: string): string {
  return text
    .normalize('NFKC')
    .replace(apostrophes, "'")
    .toLowerCase()
    .replace(separators, ' ')
    .replace(/ +/g, ' ')
    .trim()
}

/** The units of the word error rate. */
export function wordsOf(text: string): string[] {
  const normal = normalise(text)
  if (normal === '') return []
  return normal.split(' ').flatMap((word) => (unspaced.test(word) ? splitUnspaced(word) : [word]))
}

/** The units of the character error rate: what a reader takes for one character, without spaces. */
export function charactersOf(text: string): string[] {
  return [...graphemes.segment(normalise(text).replaceAll(' ', ''))].map(({ segment }) => segment)
}

/** `我用gpu吧` → 我, 用, gpu, 吧. */
function splitUnspaced(word: string): string[] {
  const parts: string[] = []
  let isOpen = false
  for (const { segment } of graphemes.segment(word)) {
    const isAlone = unspaced.test(segment)
    if (isAlone || !isOpen) parts.push(segment)
    else parts[parts.length - 1] += segment
    isOpen = !isAlone
  }
  return parts
}
