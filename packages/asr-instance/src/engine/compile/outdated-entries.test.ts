import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compilerVersion } from './cache-entry.js'
import { outdatedEntries, removeOutdatedEntries } from './outdated-entries.js'

const content = 'ab'.repeat(12)
const current = `${content}-0123abcd-int8-v${compilerVersion}`
const newer = `${content}-0123abcd-int8-v${compilerVersion + 1}`
const older = `${content}-0123abcd-int8-v${compilerVersion - 1}`
const oldest = `${content}-int8-v1`
const unfinished = `${older}.5f0c1b1e-6c3f-4a57-9c0e-2f4b7c1d9e11.tmp`
const strange = 'notes-v1'

test('only what earlier compilers wrote goes, with what they left unfinished', async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'asr-outdated-'))
  onTestFinished(() => rm(cacheDir, { recursive: true }))
  for (const name of [current, newer, older, oldest, unfinished, strange, 'hashes']) {
    await mkdir(join(cacheDir, name, 'decoder'), { recursive: true })
    await writeFile(join(cacheDir, name, 'decoder', 'packed.weights'), Buffer.alloc(1_000))
    await writeFile(join(cacheDir, name, 'encoder.onnx'), Buffer.alloc(10))
  }
  const expected = [older, oldest, unfinished].map((name) => ({ path: join(cacheDir, name), bytes: 1_010 }))

  const found = await outdatedEntries(cacheDir)
  expect(found).toHaveLength(3)
  expect(found).toEqual(expect.arrayContaining(expected))
  expect(await removeOutdatedEntries(cacheDir)).toEqual(found)
  expect((await readdir(cacheDir)).sort()).toEqual([current, newer, strange, 'hashes'].sort())
  expect(await outdatedEntries(cacheDir)).toEqual([])
})

test('a cache that does not exist has none', async () => {
  expect(await outdatedEntries(join(tmpdir(), 'asr-no-such-cache'))).toEqual([])
})
