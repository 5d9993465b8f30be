import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { includedFiles } from './included-files.js'

it('finds what nginx would include, sorted, and says what cannot be read', () => {
  const dir = mkdtempSync(join(tmpdir(), 'asr-include-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  mkdirSync(join(dir, 'conf.d/folder.conf'), { recursive: true })
  for (const name of ['b.conf', 'a.conf', '.hidden.conf', 'a.conf.bak', 'aXconf']) {
    writeFileSync(join(dir, 'conf.d', name), name)
  }
  const found = (pattern: string) =>
    includedFiles(pattern, dir).map(({ file, text }) => [file.slice(dir.length + 1), text])
  const both = [
    ['conf.d/a.conf', 'a.conf'],
    ['conf.d/b.conf', 'b.conf'],
  ]
  expect(found('conf.d/*.conf')).toEqual([...both, ['conf.d/folder.conf', null]])
  expect(found(join(dir, 'conf.?/[ab].conf'))).toEqual(both)
  expect(found('conf.d/a.conf')).toEqual([both[0]])
  expect(found('conf.d/none.conf')).toEqual([])
  expect(found('none/*.conf')).toEqual([])
})
