import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  return samplesOf((await readFile(`${dir}/${clip.audio}`)).subarray(44))
}

/** Samples of clips of any format, through ffmpeg as the recipe's `evaluate.py` reads them; one run, whose start costs more than a clip. */
export async function decodedSamples(
  clips: readonly Pick<EvalClip, 'audio'>[],
  dir: string,
): Promise<Float32Array[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'asr-clips-'))
  try {
    const paths = clips.map((_, i) => join(scratch, `${i}.pcm`))
    const inputs = clips.flatMap(({ audio }) => ['-i', join(dir, audio)])
    const outputs = paths.flatMap((path, i) => [
      '-map',
      `${i}`,
      '-ac',
      '1',
      '-ar',
      '16000',
      '-f',
      's16le',
      path,
    ])
    await promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', ...inputs, ...outputs], {
      timeout: 60_000,
    })
    return await Promise.all(paths.map(async (path) => samplesOf(await readFile(path))))
  } finally {
    await rm(scratch, { recursive: true })
  }
}

function samplesOf(pcm: Buffer): Float32Array {
  return Float32Array.from({ length: pcm.length / 2 }, (_, i) => pcm.readInt16LE(2 * i) / 32768)
}
