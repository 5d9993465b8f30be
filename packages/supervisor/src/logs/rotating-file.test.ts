import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRotatingFile, systemLogFs } from './rotating-file.js'
import type { LogFs } from './rotating-file.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rotating-file-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const path = (): string => join(dir, 'x.log')

/** Every line of all files, oldest first. */
function readAll(): string[] {
  const numbers = readdirSync(dir).map((name) => Number(name.split('.')[2] ?? 0))
  return numbers
    .toSorted((a, b) => b - a)
    .flatMap((number) => {
      const text = readFileSync(number === 0 ? path() : `${path()}.${number}`, 'utf8')
      expect(text.endsWith('\n')).toBe(true)
      return text.slice(0, -1).split('\n')
    })
}

describe('a rotating file', () => {
  it('loses no line of 50,000 and splits none, in whatever pieces they come', () => {
    const file = createRotatingFile({ path: path(), maxBytes: 100_000, backups: 100 })
    const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index} ${'x'.repeat(index % 60)}\n`)
    for (let at = 0; at < lines.length; at += 1 + (at % 997)) file.write(lines.slice(at, at + 1 + (at % 997)))
    file.close()
    expect(readdirSync(dir).length).toBeGreaterThan(20)
    expect(`${readAll().join('\n')}\n` === lines.join('')).toBe(true)
  })

  it('keeps the size and the number of files', () => {
    const file = createRotatingFile({ path: path(), maxBytes: 100, backups: 2 })
    for (let index = 0; index < 50; index += 1) file.write([`line ${index}\n`])
    expect(readdirSync(dir).toSorted()).toEqual(['x.log', 'x.log.1', 'x.log.2'])
    for (const name of readdirSync(dir)) expect(readFileSync(join(dir, name)).length).toBeLessThanOrEqual(100)
    expect(readAll().at(-1)).toBe('line 49')
  })

  it('gives a line that is longer than a file a file of its own', () => {
    const file = createRotatingFile({ path: path(), maxBytes: 10, backups: 5 })
    file.write(['a\n', `${'b'.repeat(50)}\n`, 'c\n'])
    expect(readAll()).toEqual(['a', 'b'.repeat(50), 'c'])
  })

  it('goes on where a former run ended', () => {
    createRotatingFile({ path: path(), maxBytes: 10, backups: 5 }).write(['12345678\n'])
    createRotatingFile({ path: path(), maxBytes: 10, backups: 5 }).write(['next\n'])
    expect(readFileSync(path(), 'utf8')).toBe('next\n')
  })

  it('makes its folder anew when somebody removed it', () => {
    const file = createRotatingFile({ path: join(dir, 'sub', 'x.log'), maxBytes: 1_000, backups: 2 })
    file.write(['before\n'])
    rmSync(join(dir, 'sub'), { recursive: true })
    file.write(['after\n'])
    expect(readFileSync(join(dir, 'sub', 'x.log'), 'utf8')).toBe('after\n')
  })

  it('follows no link', () => {
    const victim = join(dir, 'victim')
    writeFileSync(victim, 'safe')
    symlinkSync(victim, path())
    const troubles: unknown[] = []
    const onTrouble = (trouble: unknown): void => void troubles.push(trouble)
    createRotatingFile({ path: path(), maxBytes: 1_000, backups: 2, onTrouble }).write(['line\n'])
    expect(readFileSync(victim, 'utf8')).toBe('safe')
    expect(troubles).toEqual([{ message: expect.stringContaining('ELOOP') }])
  })

  it('survives that somebody removes its files', () => {
    const file = createRotatingFile({ path: path(), maxBytes: 10, backups: 2 })
    file.write(['1234567\n'])
    rmSync(path())
    file.write(['abcdefg\n'])
    expect(readAll()).toEqual(['abcdefg'])
  })

  it('survives a full disk, says so once, and then how much was lost', () => {
    let isFull = false
    const fs: LogFs = {
      ...systemLogFs,
      write(fd, data, offset) {
        // A disk that fills up takes a part of the data first.
        if (!isFull) return systemLogFs.write(fd, data, offset)
        if (offset === 0) return systemLogFs.write(fd, data.subarray(0, 3), 0)
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      },
    }
    const troubles: object[] = []
    const file = createRotatingFile({
      path: path(),
      maxBytes: 1_000,
      backups: 2,
      fs,
      onTrouble: (trouble) => troubles.push(trouble),
    })
    file.write(['first\n'])
    isFull = true
    file.write(['lost 1\n', 'lost 2\n'])
    file.write(['lost 3\n'])
    isFull = false
    file.write(['last\n'])
    expect(troubles).toEqual([
      { message: expect.stringContaining('no space left') as string },
      { lostLines: 3 },
    ])
    expect(readAll().filter((line) => !'lost'.startsWith(line))).toEqual(['first', 'last'])
  })
})
