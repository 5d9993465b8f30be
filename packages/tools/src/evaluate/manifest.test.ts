import { describe, expect, it } from 'vitest'
import { parseManifest } from './manifest.js'

const parse = (content: string) => parseManifest(content, '/data/set/m.jsonl', 'm.jsonl')

describe('parseManifest', () => {
  it('takes audio relative to the manifest and leaves other keys alone', () => {
    const lines = [
      '{"audio":"a.wav","text":"hi","language":"en","voice":"x"}',
      '',
      '{"audio":"/b.wav","text":""}',
    ]
    expect(parse(lines.join('\n'))).toEqual([
      { audio: 'a.wav', path: '/data/set/a.wav', text: 'hi', language: 'en' },
      { audio: '/b.wav', path: '/b.wav', text: '', language: null },
    ])
  })

  it('reads a file that begins with a byte order mark', () => {
    expect(parse('\uFEFF{"audio":"a.wav","text":"hi"}')).toMatchObject([{ audio: 'a.wav' }])
  })

  it.each([
    ['{"audio":"a.wav","text":"x"}\n{oops', /^m\.jsonl:2: not JSON/],
    ['{"audio":"a.wav"}', /^m\.jsonl:1: `text`/],
    ['{"audio":"a.wav","text":"x","language":5}', /^m\.jsonl:1: `language`/],
    ['[]', /^m\.jsonl:1: `line`/],
    ['\n\n', /has no lines/],
  ])('says where %j is wrong', (content, message) => {
    expect(() => parse(content)).toThrow(message)
  })
})
