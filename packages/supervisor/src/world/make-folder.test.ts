import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { makeFolder } from './make-folder.js'

it('makes what is missing on the way, and leaves what is there', () => {
  const root = mkdtempSync(join(tmpdir(), 'make-folder-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const path = join(root, 'a', 'b', 'c')
  makeFolder(path, 0o700)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  makeFolder(path)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  writeFileSync(join(path, 'file'), '')
  expect(() => makeFolder(join(path, 'file', 'below'))).toThrow(/ENOTDIR/)
})

it.runIf(process.platform === 'linux')('gives up where no folder can ever be, as in /proc', () => {
  expect(() => makeFolder('/proc/nope/a/b')).toThrow('ENOENT: no folder can be made at /proc/nope')
})
