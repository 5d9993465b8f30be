import { describe, expect, it } from 'vitest'
import { columnsOf } from './columns.js'
import { buildCues } from './cues.js'
import { toSrt, toVtt } from './format.js'

const long =
  'We measured the time that every request takes. The result surprised all of us, because nobody had expected ' +
  'that the slow part was the network and not the model. Yes.'

describe('buildCues', () => {
  it('makes one cue of a short segment', () => {
    expect(buildCues([{ start: 1, end: 2.5, text: 'Hello there.' }])).toEqual([
      { start: 1, end: 2.5, lines: ['Hello there.'] },
    ])
  })

  it('cuts a long segment at sentences into cues of two readable lines', () => {
    const cues = buildCues([{ start: 0, end: 15, text: long }])
    expect(cues[0]?.lines).toEqual(['We measured the time that', 'every request takes.'])
    expect(cues.flatMap(({ lines }) => lines).join(' ')).toBe(long)
    for (const { lines } of cues) {
      expect(lines.length).toBeLessThanOrEqual(2)
      for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(42)
    }
  })

  it('shares the time out by width, without gaps', () => {
    const cues = buildCues([{ start: 10, end: 25, text: long }])
    expect(cues[0]?.start).toBe(10)
    expect(cues.at(-1)?.end).toBeCloseTo(25, 9)
    cues.forEach((cue, i) => {
      expect(cue.end).toBeGreaterThan(cue.start)
      if (i > 0) expect(cue.start).toBe(cues[i - 1]?.end)
    })
  })

  it('lets short sentences share a cue', () => {
    expect(buildCues([{ start: 0, end: 2, text: 'Yes. No. Maybe. I do not know.' }])).toHaveLength(1)
  })

  it('counts Chinese characters twice', () => {
    const cues = buildCues([
      {
        start: 0,
        end: 9,
        text: '今天我们来谈谈语音识别的历史。它开始于二十世纪五十年代，当时的机器只能听懂几个数字。',
      },
    ])
    expect(cues.length).toBeGreaterThan(1)
    for (const { lines } of cues) for (const line of lines) expect([...line].length).toBeLessThanOrEqual(21)
  })

  it('makes nothing of silence', () => {
    expect(buildCues([])).toEqual([])
    expect(buildCues([{ start: 0, end: 1, text: ' ' }])).toEqual([])
  })
})

describe('subtitle files', () => {
  const cues = [
    { start: 0, end: 1.2345, lines: ['a < b & c', 'second'] },
    { start: 3599.9996, end: 360_000.5, lines: ['late'] },
  ]

  it('writes SRT', () => {
    expect(toSrt(cues)).toBe(
      '1\n00:00:00,000 --> 00:00:01,235\na < b & c\nsecond\n\n2\n01:00:00,000 --> 100:00:00,500\nlate\n',
    )
    expect(toSrt([])).toBe('')
  })

  it('writes WebVTT', () => {
    expect(toVtt(cues)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:01.235\na &lt; b &amp; c\nsecond\n\n01:00:00.000 --> 100:00:00.500\nlate\n',
    )
    expect(toVtt([])).toBe('WEBVTT\n')
  })
})
