import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatLogLine, parseLogLine } from './log-line.js'
import { readMergedTail, readTail } from './read-tail.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'read-tail-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const record = (second: number, text: string): string =>
  formatLogLine({ time: new Date(second * 1_000).toISOString(), stream: 'stdout', complete: true, text })

describe('the tail of the logs', () => {
  it('reads back what was written', () => {
    const line = {
      time: '2026-01-02T03:04:05.678Z',
      stream: 'stderr',
      complete: false,
      text: 'a F b',
    } as const
    expect(parseLogLine(formatLogLine(line).trimEnd())).toEqual(line)
    expect(parseLogLine('something else')).toBeNull()
  })

  it('goes back into rotated files, and over chunks', () => {
    writeFileSync(join(dir, 'a.log.1'), record(1, 'old') + record(2, 'x'.repeat(100_000)))
    writeFileSync(join(dir, 'a.log'), record(3, 'y'.repeat(100_000)) + record(4, 'new'))
    expect(readTail(dir, 'a', 1).map(({ text }) => text)).toEqual(['new'])
    expect(readTail(dir, 'a', 9).map(({ text }) => text.slice(0, 3))).toEqual(['old', 'xxx', 'yyy', 'new'])
  })

  it('merges by time', () => {
    writeFileSync(join(dir, 'a.log'), record(1, 'a1') + record(4, 'a4'))
    writeFileSync(join(dir, 'b.log'), record(2, 'b2') + record(3, 'b3') + record(5, 'b5'))
    expect(readMergedTail(dir, ['a', 'b'], 4).map(({ id, text }) => `${id} ${text}`)).toEqual([
      'b b2',
      'b b3',
      'a a4',
      'b b5',
    ])
  })
})
