import { mapInOrder } from '../common/map-in-order.js'
import { formatPercent } from '../common/format.js'
import type { LiveLine } from '../common/output.js'
import { describeError } from '../common/tool-error.js'
import { normalisation } from '../text/normalise.js'
import type { ManifestClip } from './manifest.js'
import type { Recogniser } from './recogniser.js'
import { addCounts, errorRate, scoreClip } from './score.js'
import { summarise, worstFirst, type ClipResult, type GroupSummary, type NameLanguage } from './summarise.js'

export interface Evaluation {
  normalisation: string
  /** The recogniser was told the language of each clip. */
  hinted: boolean
  all: GroupSummary
  languages: GroupSummary[]
  /** Worst first. */
  clips: ClipResult[]
  wallSeconds: number
}

export interface EvaluateOptions {
  clips: readonly ManifestClip[]
  recogniser: Recogniser
  /** Tell the recogniser the language of the manifest, instead of letting the model decide. */
  hint: boolean
  nameOf: NameLanguage
  liveLine: LiveLine
  nowMs: () => number
}

/** Lets every clip be recognised and compares. A clip that fails does not end the others. */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { clips, recogniser, hint, nameOf, liveLine, nowMs } = options
  const startedAtMs = nowMs()
  const results: ClipResult[] = []
  const outcomes = mapInOrder(clips, recogniser.concurrency, async (clip) => {
    const language = hint && clip.language !== null ? clip.language : 'auto'
    const recognised = await recogniser.recognise(clip.path, language)
    return { ...recognised, score: scoreClip(clip.text, recognised.text) }
  })
  for await (const outcome of outcomes) {
    const clip = clips[results.length] as ManifestClip
    if (outcome.status === 'fulfilled') results.push({ clip, heard: outcome.value, error: null })
    else results.push({ clip, heard: null, error: describeError(outcome.reason)[0] ?? '' })
    liveLine.show(`${results.length} of ${clips.length} clips, ${runningRate(results)}`)
  }
  liveLine.clear()
  return {
    normalisation,
    hinted: hint,
    ...summarise(results, nameOf),
    clips: worstFirst(results),
    wallSeconds: (nowMs() - startedAtMs) / 1000,
  }
}

function runningRate(results: readonly ClipResult[]): string {
  const rate = errorRate(
    addCounts(results.flatMap(({ heard }) => (heard === null ? [] : [heard.score.words]))),
  )
  return rate === null ? 'no words yet' : `${formatPercent(rate)} of the words wrong`
}
