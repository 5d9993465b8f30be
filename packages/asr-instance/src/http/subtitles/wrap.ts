import { columnsOf, graphemesOf } from './columns.js'

/** Piece of a line that is not broken, with the space that stands before it inside a line. */
interface Unit {
  text: string
  space: boolean
  columns: number
}

const words = new Intl.Segmenter('und', { granularity: 'word' })
/** Scripts that are written without spaces, where a line may break between any two words. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** Never first in a line (kinsoku shori, JIS X 4051). */
const notFirst = /^[\p{Pe}\p{Pf}\p{Po}\p{M}ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ]/u
/** Never last in a line. */
const notLast = /[\p{Ps}\p{Pi}]$/u

/**
 * Breaks a text into the fewest lines of at most `maxColumns`, as even as can be. Only a word longer than a line
 * is broken inside.
 */
export function wrapLines(text: string, maxColumns: number): string[] {
  const units = unitsOf(text).flatMap((unit) => breakUnit(unit, maxColumns))
  const fewest = fill(units, maxColumns).length
  // The narrowest limit that needs no further line gives the most even ones.
  let low = 1
  let high = maxColumns
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (fill(units, middle).length <= fewest) high = middle
    else low = middle + 1
  }
  return fill(units, low)
}

function fill(units: readonly Unit[], limit: number): string[] {
  const lines: string[] = []
  let line = ''
  let columns = 0
  for (const unit of units) {
    const wanted = unit.columns + (unit.space ? 1 : 0)
    if (line !== '' && columns + wanted > limit) {
      lines.push(line)
      line = unit.text
      columns = unit.columns
    } else {
      line += line !== '' && unit.space ? ` ${unit.text}` : unit.text
      columns += line === unit.text ? unit.columns : wanted
    }
  }
  if (line !== '') lines.push(line)
  return lines
}

function unitsOf(text: string): Unit[] {
  const units: { text: string; space: boolean }[] = []
  let space = false
  for (const { segment } of words.segment(text)) {
    if (segment.trim() === '') {
      space = true
      continue
    }
    const last = units.at(-1)
    if (last !== undefined && !space && !mayBreakBetween(last.text, segment)) last.text += segment
    else units.push({ text: segment, space })
    space = false
  }
  return units.map((unit) => ({ ...unit, columns: columnsOf(unit.text) }))
}

function mayBreakBetween(before: string, after: string): boolean {
  if (notFirst.test(after) || notLast.test(before)) return false
  return unspaced.test(before) || unspaced.test(after)
}

function breakUnit(unit: Unit, maxColumns: number): Unit[] {
  if (unit.columns <= maxColumns) return [unit]
  const parts: Unit[] = []
  for (const grapheme of graphemesOf(unit.text)) {
    const last = parts.at(-1)
    if (last !== undefined && last.columns + grapheme.columns <= maxColumns) {
      last.text += grapheme.text
      last.columns += grapheme.columns
    } else parts.push({ ...grapheme, space: parts.length === 0 && unit.space })
  }
  return parts
}
