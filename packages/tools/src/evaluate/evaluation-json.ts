import type { Evaluation } from './evaluate.js'
import { errorRate } from './score.js'

/** The evaluation as it is printed with `--json`; a rate is null where the reference has no words. */
export function evaluationJson({ clips, ...rest }: Evaluation): object {
  return {
    ...rest,
    clips: clips.map(({ clip, heard, error }) => ({
      audio: clip.audio,
      language: clip.language,
      said: clip.text,
      heard: heard?.text ?? null,
      heardLanguage: heard?.language ?? null,
      durationSeconds: heard?.durationSeconds ?? null,
      wer: heard === null ? null : finite(errorRate(heard.score.words)),
      cer: heard === null ? null : finite(errorRate(heard.score.characters)),
      error,
    })),
  }
}

function finite(rate: number | null): number | null {
  return rate === Infinity ? null : rate
}
