import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { contentHash } from './content-hash.js'

const fixture = fileURLToPath(new URL('../../../../../test/fixtures/qwen3-asr-tiny', import.meta.url))

test.each(['', 'ab'.repeat(20), '\0'.repeat(64)])(
  'a remembered hash that is none, %j, is not used',
  async (broken) => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'asr-hash-'))
    onTestFinished(() => rm(cacheDir, { recursive: true }))
    const hash = await contentHash(fixture, cacheDir)
    const [name = ''] = await readdir(join(cacheDir, 'hashes'))
    const memo = join(cacheDir, 'hashes', name)
    const digest = await readFile(memo, 'utf8')
    await writeFile(memo, broken)
    expect(await contentHash(fixture, cacheDir)).toBe(hash)
    expect(await readFile(memo, 'utf8')).toBe(digest)
  },
)

test('a cache that takes no hash does not matter', async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'asr-hash-'))
  onTestFinished(() => rm(cacheDir, { recursive: true }))
  const hash = await contentHash(fixture, cacheDir)
  await rm(join(cacheDir, 'hashes'), { recursive: true })
  // A folder that cannot be written would not keep root out.
  await writeFile(join(cacheDir, 'hashes'), '')
  expect(await contentHash(fixture, cacheDir)).toBe(hash)
})
