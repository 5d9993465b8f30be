import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { noLiveLine } from '../common/output.js'
import { evaluate, type Evaluation } from './evaluate.js'
import { evaluationJson } from './evaluation-json.js'
import { formatEvaluation } from './format-evaluation.js'
import type { ManifestClip } from './manifest.js'

const clip = (audio: string, text: string, language: string | null): ManifestClip => ({
  audio,
  path: `/${audio}`,
  text,
  language,
})

const clips = [
  clip('right.wav', 'One two three.', 'en'),
  clip('wrong.wav', 'One two three four.', 'English'),
  clip('failed.wav', 'Never heard.', 'en'),
  clip('zh.wav', '今天天气', 'zh'),
  clip('silence.wav', '', null),
]
const answers: Record<string, { text: string; language: string | null }> = {
  '/right.wav': { text: 'one, two, three!', language: 'english' },
  '/wrong.wav': { text: 'one to three for now', language: 'german' },
  '/zh.wav': { text: '今天天汽。', language: 'chinese' },
  '/silence.wav': { text: 'Thank you', language: null },
}
const names: Record<string, string> = {
  en: 'English',
  english: 'English',
  zh: 'Chinese',
  chinese: 'Chinese',
  german: 'German',
}

async function run(hint = false): Promise<{ evaluation: Evaluation; asked: string[] }> {
  const asked: string[] = []
  let nowMs = 0
  const evaluation = await evaluate({
    clips,
    hint,
    nameOf: (text) => names[text.toLowerCase()] ?? text,
    liveLine: noLiveLine,
    nowMs: () => (nowMs += 2000),
    recogniser: {
      concurrency: 2,
      async recognise(path, language) {
        asked.push(language)
        if (path === '/failed.wav') throw new AsrError('not_audio', 'It looks like a picture.')
        return { ...answers[path]!, durationSeconds: 2.5 }
      },
      async [Symbol.asyncDispose]() {},
    },
  })
  return { evaluation, asked }
}

describe('evaluate', () => {
  it('sums up the whole and each language', async () => {
    const { evaluation, asked } = await run()
    expect(asked).toEqual(['auto', 'auto', 'auto', 'auto', 'auto'])
    expect(evaluation.wallSeconds).toBe(2)
    expect(
      evaluation.languages.map(({ language, clips: count, failed }) => [language, count, failed]),
    ).toEqual([
      ['Chinese', 1, 0],
      ['English', 3, 1],
      ['not named', 1, 0],
    ])
    const [chinese, english, unnamed] = evaluation.languages
    expect(english).toMatchObject({
      wer: 3 / 7,
      exact: 1,
      languageRight: 1,
      languageKnown: 2,
      audioSeconds: 5,
    })
    expect(english?.words).toEqual({ substitutions: 2, deletions: 0, insertions: 1, length: 7 })
    expect(chinese).toMatchObject({ wer: 1 / 4, cer: 1 / 4, languageRight: 1 })
    expect(unnamed).toMatchObject({ wer: Infinity, languageKnown: 0 })
    expect(evaluation.all).toMatchObject({
      clips: 5,
      failed: 1,
      wer: 6 / 11,
      languageRight: 2,
      languageKnown: 3,
    })
  })

  it('shows the worst first, failures before all', async () => {
    const { evaluation } = await run()
    expect(evaluation.clips.map(({ clip: { audio } }) => audio)).toEqual([
      'failed.wav',
      'silence.wav',
      'wrong.wav',
      'zh.wav',
      'right.wav',
    ])
    expect(evaluation.clips[0]?.error).toBe('It looks like a picture. (not_audio)')
  })

  it('tells the language when asked to', async () => {
    expect((await run(true)).asked).toEqual(['en', 'English', 'en', 'zh', 'auto'])
  })

  it('reports to people', async () => {
    const lines = formatEvaluation((await run()).evaluation, 2)
    expect(lines[0]).toMatch(/^LANGUAGE +CLIPS +WORDS +WER/)
    expect(lines[2]).toMatch(/^English +3 +7 +42\.9 % +2 +0 +1 .* 1\/2 +1\/2$/)
    expect(lines.join('\n')).toMatch(
      /worst clips:\nall wrong {2}silence\.wav\n {4}said {3}\n {4}heard {2}Thank you\n {2}75\.0 %/,
    )
    expect(lines.join('\n')).toContain('rules: Unicode NFKC')
    expect(lines.join('\n')).not.toContain('zh.wav')
  })

  it('prints JSON that has no infinity', async () => {
    const json = JSON.stringify(evaluationJson((await run()).evaluation))
    expect(JSON.parse(json)).toMatchObject({
      all: { wer: 6 / 11 },
      clips: [
        { audio: 'failed.wav', wer: null, heard: null, error: 'It looks like a picture. (not_audio)' },
        { audio: 'silence.wav', wer: null, heard: 'Thank you' },
        { audio: 'wrong.wav', wer: 0.75, heardLanguage: 'german' },
        {},
        { wer: 0 },
      ],
    })
  })
})
