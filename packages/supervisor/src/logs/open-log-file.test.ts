import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLogFile, openLogForReading } from './open-log-file.js'
import { readTail } from './read-tail.js'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'open-log-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('a log', () => {
  it('is made with its folder, and only its owner may write it, others not even read', () => {
    closeSync(openLogFile(join(dir, 'logs', 'x.log')))
    expect(statSync(join(dir, 'logs', 'x.log')).mode & 0o137).toBe(0)
  })

  it('is neither written nor shown through a link, to a file or to where there is none', () => {
    writeFileSync(join(dir, 'secret'), '2026-01-02T03:04:05.678Z O F the secret\n')
    symlinkSync(join(dir, 'secret'), join(dir, 'x.log'))
    symlinkSync(join(dir, 'nothing'), join(dir, 'y.log'))
    for (const name of ['x.log', 'y.log']) {
      expect(() => openLogFile(join(dir, name))).toThrow('ELOOP')
      expect(() => openLogForReading(join(dir, name))).toThrow('ELOOP')
    }
    expect(readTail(dir, 'x', 10)).toEqual([])
    expect(readFileSync(join(dir, 'secret'), 'utf8')).toContain('the secret')
    expect(() => statSync(join(dir, 'nothing'))).toThrow('ENOENT')
  })

  it('does not hold us where somebody has put a pipe or a folder', () => {
    execFileSync('mkfifo', [join(dir, 'x.log')])
    mkdirSync(join(dir, 'y.log'))
    expect(() => openLogFile(join(dir, 'x.log'))).toThrow('ENXIO')
    expect(() => openLogForReading(join(dir, 'x.log'))).toThrow('no ordinary file')
    expect(() => openLogFile(join(dir, 'y.log'))).toThrow('EISDIR')
    expect(() => openLogForReading(join(dir, 'y.log'))).toThrow('no ordinary file')
    expect(readTail(dir, 'x', 10)).toEqual([])
  })
})
