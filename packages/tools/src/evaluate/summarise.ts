import type { ManifestClip } from './manifest.js'
import type { Recognised } from './recogniser.js'
import { addCounts, errorRate, type ClipScore, type ErrorCount } from './score.js'

/** A clip of the manifest with what came of it; `error` where nothing did. */
export interface ClipResult {
  clip: ManifestClip
  heard: (Recognised & { score: ClipScore }) | null
  error: string | null
}

export interface GroupSummary {
  /** English name; `all` for the whole manifest. */
  language: string
  clips: number
  failed: number
  /** Errors per word, of the clips that did not fail; null where the references have no words. */
  wer: number | null
  cer: number | null
  words: ErrorCount
  characters: ErrorCount
  /** Clips without any word error. */
  exact: number
  /** Of the clips whose language is known on both sides. */
  languageRight: number
  languageKnown: number
  audioSeconds: number
}

/** `en`, `English` and `english` → `English`; what is not known stays as it is. */
export type NameLanguage = (text: string) => string

/** Sums of the whole and of each language of the manifest. */
export function summarise(
  results: readonly ClipResult[],
  nameOf: NameLanguage,
): { all: GroupSummary; languages: GroupSummary[] } {
  const groups = new Map<string, ClipResult[]>()
  for (const result of results) {
    const { language } = result.clip
    const name = language === null ? 'not named' : nameOf(language)
    const group = groups.get(name)
    if (group) group.push(result)
    else groups.set(name, [result])
  }
  const languages = [...groups].map(([name, group]) => summariseGroup(name, group, nameOf))
  return {
    all: summariseGroup('all', results, nameOf),
    languages: languages.toSorted((a, b) => (a.language < b.language ? -1 : 1)),
  }
}

function summariseGroup(
  language: string,
  results: readonly ClipResult[],
  nameOf: NameLanguage,
): GroupSummary {
  const done = results.flatMap(({ clip, heard }) => (heard === null ? [] : [{ clip, heard }]))
  const words = addCounts(done.map(({ heard }) => heard.score.words))
  const characters = addCounts(done.map(({ heard }) => heard.score.characters))
  const named = done.flatMap(({ clip, heard }) =>
    clip.language === null || heard.language === null
      ? []
      : [nameOf(clip.language) === nameOf(heard.language)],
  )
  return {
    language,
    clips: results.length,
    failed: results.length - done.length,
    wer: errorRate(words),
    cer: errorRate(characters),
    words,
    characters,
    exact: done.filter(({ heard }) => (errorRate(heard.score.words) ?? 0) === 0).length,
    languageRight: named.filter(Boolean).length,
    languageKnown: named.length,
    audioSeconds: done.reduce((sum, { heard }) => sum + (heard.durationSeconds ?? 0), 0),
  }
}

/** Failed ones first, then by word error rate, then by the number of errors. */
export function worstFirst(results: readonly ClipResult[]): ClipResult[] {
  const rank = ({ heard }: ClipResult): [number, number] => {
    if (heard === null) return [Infinity, Infinity]
    const { words } = heard.score
    return [errorRate(words) ?? 0, words.substitutions + words.deletions + words.insertions]
  }
  return results.toSorted((a, b) => {
    const [rateA, countA] = rank(a)
    const [rateB, countB] = rank(b)
    if (rateA !== rateB) return rateB > rateA ? 1 : -1
    return countB - countA || 0
  })
}
