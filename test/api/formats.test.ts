import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCluster, type TestCluster } from '../harness/index.js'
import { apiConfig, clip } from './api-client.ts'
import { hasEncoder, hasFfmpeg } from './ffmpeg.ts'

let cluster: TestCluster
let dir: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'asr-formats-'))
  cluster = await startCluster({ config: apiConfig })
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

/** Name, what ffmpeg is told, ending of the file, encoder if it may be missing. */
const formats: [name: string, args: string, ending: string, encoder?: string][] = [
  ['WAV as it is', '-c:a copy', 'wav'],
  ['FLAC', '', 'flac'],
  ['MP3', '-b:a 64k', 'mp3', 'libmp3lame'],
  ['OGG/Opus', '-c:a libopus', 'ogg', 'libopus'],
  ['OGG/Vorbis', '-c:a libvorbis', 'ogg', 'libvorbis'],
  ['M4A', '-b:a 96k', 'm4a'],
  ['AAC', '-b:a 96k', 'aac'],
  ['WebM', '-c:a libopus', 'webm', 'libopus'],
  ['MP4 video', '-f lavfi -i testsrc=size=64x64:rate=5 -c:v mpeg4 -c:a aac -shortest', 'mp4'],
  ['MKV video', '-f lavfi -i testsrc=size=64x64:rate=5 -c:v mpeg4 -c:a flac -shortest', 'mkv'],
  ['8 kHz telephone WAV', '-ar 8000', 'wav'],
  ['stereo', '-ac 2', 'wav'],
  ['stereo FLAC at 44.1 kHz', '-ac 2 -ar 44100', 'flac'],
  ['8 bits at 16 kHz', '-c:a pcm_u8', 'wav'],
  ['24 bits', '-c:a pcm_s24le', 'wav'],
  ['32 bits', '-c:a pcm_s32le', 'wav'],
  ['float', '-c:a pcm_f32le', 'wav'],
  ['double', '-c:a pcm_f64le', 'wav'],
  ['A-law', '-ar 8000 -c:a pcm_alaw', 'wav'],
  ['µ-law', '-ar 8000 -c:a pcm_mulaw', 'wav'],
  ['192 kHz', '-ar 192000', 'wav'],
  ['192 kHz, 24 bits, FLAC', '-ar 192000 -c:a flac -sample_fmt s32', 'flac'],
  ['AIFF', '', 'aiff'],
]

// Each is named as something that it is not: what a file is must be found by its bytes.
test.skipIf(!hasFfmpeg).each(formats)('%s has the same words', async (name, args, ending, encoder) => {
  if (encoder !== undefined && !hasEncoder(encoder)) {
    // oxlint-disable-next-line no-console -- a test that does nothing must say why
    console.log(`${name}: this ffmpeg has no ${encoder}`)
    return
  }
  const file = join(dir, `clip.${ending}`)
  const options = args === '' ? [] : args.split(' ')
  execFileSync('ffmpeg', ['-y', '-v', 'error', '-i', clip.path, ...options, file])
  await expectItsWords(file)
})

test.skipIf(!hasFfmpeg).each(['nb', 'wb'])('AMR-%s has the same words', async (name) => {
  await expectItsWords(fileURLToPath(new URL(`../fixtures/amr/${name}.amr`, import.meta.url)))
})

async function expectItsWords(file: string): Promise<void> {
  const form = new FormData()
  form.set('audio', new Blob([await readFile(file)]), 'document.pdf')
  const response = await fetch(`${cluster.url}/asr`, { method: 'POST', body: form })
  expect(await response.json()).toMatchObject({ text: clip.text, language: 'English', status: 'success' })
}
