import type { Segment } from '../../engine/engine.js'
import { columnsOf } from './columns.js'
import { wrapLines } from './wrap.js'

export interface Cue {
  /** Seconds from the start of the recording. */
  start: number
  end: number
  lines: string[]
}

export interface CueLimits {
  /** A full-width character takes two. */
  maxColumns: number
  maxLines: number
}

/** What subtitle guidelines ask for: two lines of 42 Latin or 21 Chinese characters. */
export const defaultCueLimits: CueLimits = { maxColumns: 42, maxLines: 2 }

const sentences = new Intl.Segmenter('und', { granularity: 'sentence' })

/**
 * Cuts segments into cues of readable size, at the ends of sentences where that is possible. The time of a segment
 * is shared out by the width of the text, which goes with the time that it takes to say it.
 */
export function buildCues(
  segments: readonly Pick<Segment, 'start' | 'end' | 'text'>[],
  limits: CueLimits = defaultCueLimits,
): Cue[] {
  return segments.flatMap(({ start, end, text }) => {
    const blocks = blocksOf(text, limits)
    const widths = blocks.map((lines) => lines.reduce((sum, line) => sum + columnsOf(line), 0))
    const total = widths.reduce((sum, width) => sum + width, 0)
    let before = 0
    return blocks.map((lines, i) => {
      const from = start + ((end - start) * before) / total
      before += widths[i] as number
      return { start: from, end: start + ((end - start) * before) / total, lines }
    })
  })
}

function blocksOf(text: string, { maxColumns, maxLines }: CueLimits): string[][] {
  const blocks: string[][] = []
  for (const sentence of shortSentencesJoined(text, maxColumns)) {
    const lines = wrapLines(sentence, maxColumns)
    const count = Math.ceil(lines.length / maxLines)
    for (let i = 0; i < count; i++) {
      const from = Math.floor((i * lines.length) / count)
      blocks.push(lines.slice(from, Math.floor(((i + 1) * lines.length) / count)))
    }
  }
  return blocks
}

/** A cue of one word flashes by, so sentences that fit into one line together share it. */
function shortSentencesJoined(text: string, maxColumns: number): string[] {
  const joined: string[] = []
  for (const { segment } of sentences.segment(text.replace(/\s+/g, ' ').trim())) {
    const last = joined.at(-1)
    if (last !== undefined && columnsOf((last + segment).trim()) <= maxColumns) {
      joined[joined.length - 1] = last + segment
    } else joined.push(segment)
  }
  return joined.map((sentence) => sentence.trim()).filter((sentence) => sentence !== '')
}
