import { formatPercent, formatSeconds, formatTable } from '../common/format.js'
import { totalEdits } from '../text/count-edits.js'
import type { Evaluation } from './evaluate.js'
import { errorRate } from './score.js'
import type { ClipResult, GroupSummary } from './summarise.js'

/** The report for people; `worst` clips are shown with what was said and heard. */
export function formatEvaluation(evaluation: Evaluation, worst: number): string[] {
  const { all, languages, clips, wallSeconds, hinted } = evaluation
  const groups = languages.length > 1 ? [...languages, all] : [all]
  const header = ['LANGUAGE', 'CLIPS', 'WORDS', 'WER', 'SUB', 'DEL', 'INS', 'CER', 'EXACT', 'DETECTED']
  const shown = clips
    .filter(({ heard }) => heard !== null && totalEdits(heard.score.words) > 0)
    .slice(0, worst)
  return [
    ...formatTable(header, groups.map(row), new Set([1, 2, 3, 4, 5, 6, 7, 8, 9])),
    '',
    `${formatSeconds(all.audioSeconds)} of sound in ${formatSeconds(wallSeconds)}: ${(all.audioSeconds / wallSeconds).toFixed(1)} audio seconds per second`,
    `the model ${hinted ? 'was told the language' : 'found the language by itself'}`,
    `rules: ${evaluation.normalisation}`,
    ...(shown.length === 0 ? [] : ['', 'worst clips:', ...shown.flatMap(describeClip)]),
  ]
}

function row(group: GroupSummary): string[] {
  const { words } = group
  return [
    group.language,
    String(group.clips),
    String(words.length),
    rate(group.wer),
    String(words.substitutions),
    String(words.deletions),
    String(words.insertions),
    rate(group.cer),
    `${group.exact}/${group.clips - group.failed}`,
    group.languageKnown === 0 ? '-' : `${group.languageRight}/${group.languageKnown}`,
  ]
}

function describeClip({ clip, heard }: ClipResult): string[] {
  if (heard === null) return []
  return [
    `${rate(errorRate(heard.score.words)).padStart(8)}  ${clip.audio}`,
    `    said   ${clip.text}`,
    `    heard  ${heard.text}`,
  ]
}

function rate(value: number | null): string {
  if (value === null) return '-'
  return value === Infinity ? 'all wrong' : formatPercent(value)
}
