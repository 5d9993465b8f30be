import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsrError } from '@asr-cluster/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ToolError, ToolUsageError } from '../common/tool-error.js'
import { recordingLine, recordingOutput } from '../fixtures/recorder.js'
import { transcribeFiles, type TranscribeFilesOptions } from './transcribe-files.js'
import type { TranscriptRequest } from './transcriber.js'

let cwd: string

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'asr-transcribe-'))
})

afterAll(() => rm(cwd, { recursive: true }))

async function run(
  options: Partial<TranscribeFilesOptions>,
  transcribe: (request: TranscriptRequest) => Promise<string>,
) {
  const output = recordingOutput()
  let isOpen = false
  const failed = await transcribeFiles(
    { files: [], language: 'auto', prompt: '', format: 'text', outputDir: null, cwd, ...options },
    {
      output,
      liveLine: recordingLine(),
      open: async () => {
        isOpen = true
        return { concurrency: 2, transcribe, [Symbol.asyncDispose]: async () => void (isOpen = false) }
      },
    },
  )
  expect(isOpen).toBe(false)
  return { failed, ...output }
}

describe('transcribeFiles', () => {
  it('prints one transcript as it is', async () => {
    const { failed, out } = await run({ files: ['a.wav'] }, async ({ path }) => `${path}\n`)
    expect(failed).toBe(0)
    expect(out).toEqual([join(cwd, 'a.wav')])
  })

  it('names the file before each of several, and tells failures with code and advice', async () => {
    const { failed, out, err } = await run(
      { files: ['a.wav', 'b.wav', 'c.wav', 'd.wav'] },
      async ({ path }) => {
        if (path.endsWith('b.wav')) throw new ToolError('timeout', 'no answer', { help: 'Wait.' })
        if (path.endsWith('c.wav')) throw new AsrError('not_audio', 'It looks like a picture.')
        return 'text\n'
      },
    )
    expect(failed).toBe(2)
    expect(out).toEqual(['a.wav: text', 'd.wav: text'])
    expect(err).toEqual([
      'b.wav: no answer (timeout)',
      '  Wait.',
      'c.wav: It looks like a picture. (not_audio)',
      expect.stringContaining('Send WAV') as string,
    ])
  })

  it('puts the name into JSON lines', async () => {
    const { out } = await run({ files: ['a.wav', 'b.wav'], format: 'json' }, async () => '{"text":"x"}')
    expect(out).toEqual(['{"file":"a.wav","text":"x"}', '{"file":"b.wav","text":"x"}'])
  })

  it('writes a file each, and nothing for one that failed', async () => {
    const { failed, out } = await run(
      { files: ['x/a.wav', 'b.mp3', 'c.wav'], format: 'srt', outputDir: 'subtitles' },
      async ({ path }) => {
        if (path.endsWith('c.wav')) throw new Error('broken')
        return `1\n${path}`
      },
    )
    expect(failed).toBe(1)
    expect(out).toEqual(['subtitles/a.srt', 'subtitles/b.srt'])
    expect((await readdir(join(cwd, 'subtitles'))).sort()).toEqual(['a.srt', 'b.srt'])
    expect(await readFile(join(cwd, 'subtitles/a.srt'), 'utf8')).toBe(`1\n${join(cwd, 'x/a.wav')}\n`)
  })

  it.each([
    ['two files of one name', { files: ['x/a.wav', 'y/a.mp3'], outputDir: 'out' }, /both be written/],
    [
      'subtitles of several files in one stream',
      { files: ['a', 'b'], format: 'vtt' as const },
      /--output-dir/,
    ],
  ])('refuses %s before any work', async (_name, options, message) => {
    const work = run(options, () => Promise.reject(new Error('was opened')))
    await expect(work).rejects.toThrow(ToolUsageError)
    await expect(work).rejects.toThrow(message)
  })
})
