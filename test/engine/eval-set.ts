import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const demoModelDir = fileURLToPath(new URL('../../models/demo', import.meta.url))
export const evalDir = fileURLToPath(new URL('../../models/demo/eval', import.meta.url))
/** Clips of espeak-ng variants that the demo model never heard in training. */
export const unheardDir = fileURLToPath(new URL('../../models/demo/eval-unheard', import.meta.url))

/** Sentences outside the grammar of the two above, in Opus. */
export const openDir = fileURLToPath(new URL('../../models/demo/eval-open', import.meta.url))

export interface EvalClip {
  audio: string
  text: string
  language: string
  /** Such as en-us+f3 (espeak-ng), slt (flite), voice_kal_diphone (festival). */
  voice: string
  /** What the reference implementation writes in float32. */
  reference_output: string
}

export async function readEvalSet(dir = evalDir): Promise<EvalClip[]> {
  const lines = (await readFile(`${dir}/manifest.jsonl`, 'utf8')).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as EvalClip)
}

/** The words that count: Mandarin by characters, otherwise words without case and punctuation (the recipe's rule). */
export function countedWords(text: string): string[] {
  if (/[\u4e00-\u9fff]/.test(text)) return Array.from(text.replace(/[^\u4e00-\u9fff]/g, ''))
  return text
    .toLowerCase()
    .replace(/[^\w' ]/g, ' ')
    .split(/\s+/)
    .filter(Boolean)
}

/** What the reference implementation hears in a clip. */
export function referenceText(clip: EvalClip): string {
  return clip.reference_output.split('<asr_text>')[1] ?? ''
}

/** Errors by all words said: `heard` has a text for every clip. */
export function wordErrorRate(clips: readonly EvalClip[], heard: readonly string[]): number {
  let errors = 0
  let words = 0
  for (const [i, clip] of clips.entries()) {
    const expected = countedWords(clip.text)
    errors += wordErrors(expected, countedWords(heard[i]!))
    words += expected.length
  }
  return errors / words
}

/** Levenshtein distance over words. */
export function wordErrors(expected: readonly string[], actual: readonly string[]): number {
  let row = Array.from({ length: actual.length + 1 }, (_, i) => i)
  for (const [i, word] of expected.entries()) {
    const next = [i + 1]
    for (const [j, other] of actual.entries()) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (word === other ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1)!
}

/** Samples of a 16 kHz mono 16-bit WAV file with a 44-byte header. */
export async function evalSamples(clip: Pick<EvalClip, 'audio'>, dir = evalDir): Promise<Float32Array> {
  const wav = await readFile(`${dir}/${clip.audio}`)
  return Float32Array.from({ length: (wav.length - 44) / 2 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32768)
}

/** Samples of any file at 16 kHz, through ffmpeg as the recipe's `evaluate.py` reads it. */
export async function decodedSamples(path: string): Promise<Float32Array> {
  const args = ['-v', 'error', '-i', path, '-ac', '1', '-ar', '16000', '-f', 's16le', '-']
  const options = { encoding: 'buffer', maxBuffer: 64e6, timeout: 20_000 } as const
  const { stdout } = await promisify(execFile)('ffmpeg', args, options)
  return Float32Array.from({ length: stdout.length / 2 }, (_, i) => stdout.readInt16LE(2 * i) / 32768)
}
