import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { modelDir, writePullRecord } from '../store/model-store.js'
import { checkModels } from './check-models.js'
import { formatChecked } from './format-models.js'

it('reads what was pulled, and says what is damaged and what to do', async () => {
  const root = mkdtempSync(join(tmpdir(), 'asr-check-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const env = { XDG_DATA_HOME: root }
  const [good, bad, short, unfinished] = ['a/good', 'b/bad', 'c/short', 'd/unfinished'].map((id) =>
    modelDir(id, env),
  ) as [string, string, string, string]
  const weights = Buffer.from('weights')
  const sha256 = createHash('sha256').update(weights).digest('hex')
  for (const dir of [good, bad, short, unfinished]) {
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'model.safetensors'), dir === bad ? Buffer.alloc(weights.length) : weights)
    const files = [{ path: 'model.safetensors', size: weights.length, sha256 }]
    if (dir === unfinished) continue
    await writePullRecord(dir, {
      version: 1,
      model: dir,
      revision: 'main',
      commit: null,
      pulledAt: '',
      files,
    })
  }
  await rm(join(short, 'model.safetensors'))
  const pulled = await checkModels(env)
  expect(pulled).toEqual([
    { path: good, damage: undefined },
    { path: bad, damage: expect.stringMatching(/^model\.safetensors has the SHA-256 /) },
    { path: short, damage: 'model.safetensors cannot be read (ENOENT)' },
  ])
  expect(formatChecked(pulled, [{ path: '/cache/x', damage: undefined }])).toEqual([
    expect.stringMatching(`^✗ ${bad}: model.safetensors has the SHA-256 `),
    '    Pull it again: what is damaged is fetched anew.',
    `✗ ${short}: model.safetensors cannot be read (ENOENT)`,
    '    Pull it again: what is damaged is fetched anew.',
    'read 3 pulled and 1 compiled: 2 damaged',
  ])
  expect(formatChecked([{ path: good, damage: undefined }], [])).toEqual([
    'read 1 pulled and 0 compiled: all as written',
  ])
})
