import { describe, expect, it } from 'vitest'
import { createLineSplitter, maxLineChars } from './line-splitter.js'

describe('a line splitter', () => {
  it('finds the same lines wherever the chunks are cut', () => {
    const bytes = Buffer.from('größe\r\n\nzweite Zeile 识别\nohne Ende')
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const splitter = createLineSplitter()
      const lines = [
        ...splitter.push(bytes.subarray(0, cut)),
        ...splitter.push(bytes.subarray(cut)),
        ...splitter.end(),
      ]
      expect(lines.map(({ text }) => text)).toEqual(['größe', '', 'zweite Zeile 识别', 'ohne Ende'])
    }
  })

  it('cuts a line that does not end', () => {
    const splitter = createLineSplitter()
    const long = 'x'.repeat(2 * maxLineChars + 5)
    const lines = [...splitter.push(Buffer.from(long)), ...splitter.push(Buffer.from('\n'))]
    expect(lines.map(({ complete }) => complete)).toEqual([false, false, true])
    expect(lines.map(({ text }) => text).join('')).toBe(long)
  })
})
