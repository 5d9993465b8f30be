import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { folderOf, isHubId } from './model-id.js'
import { findPulledModel, modelDir, storedFolders, writePullRecord } from './model-store.js'

it('finds only what was pulled as a whole', async () => {
  const root = await mkdtemp(join(tmpdir(), 'asr-store-'))
  onTestFinished(() => rm(root, { recursive: true }))
  const env = { XDG_DATA_HOME: root }
  const dir = modelDir('Qwen/Qwen3-ASR-1.7B', env)
  expect(dir).toBe(join(root, 'asr-cluster/models/Qwen--Qwen3-ASR-1.7B'))
  expect(await storedFolders(env)).toEqual([])
  await mkdir(dir, { recursive: true })
  expect(findPulledModel('Qwen/Qwen3-ASR-1.7B', env)).toBeNull()
  const record = { version: 1, model: 'm', revision: 'main', commit: null, pulledAt: '', files: [] } as const
  await writePullRecord(dir, { ...record, files: [] })
  expect(findPulledModel('Qwen/Qwen3-ASR-1.7B', env)).toBe(dir)
  expect(await storedFolders(env)).toEqual([dir])
})

it('tells ids from paths, and gives each its own folder', () => {
  expect(['Qwen/Qwen3-ASR-0.6B', 'a/b', 'me/my_model.v2'].every(isHubId)).toBe(true)
  expect(['x', './a/b', 'a/b/c', '../b', 'a/..', '.a/b', 'a/', '/a', 'a--b/c', 'a/b..c'].some(isHubId)).toBe(
    false,
  )
  expect(folderOf('a/b')).toBe('a--b')
})
