import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { checkModels, createBackup, parseBackup, type Backup } from './backup.js'

async function modelFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'asr-backup-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  await mkdir(join(dir, 'onnx'))
  await writeFile(join(dir, 'config.json'), '{}')
  await writeFile(join(dir, 'onnx/weights'), 'abc')
  await writeFile(join(dir, '.asr-cluster-pull.json'), 'not part of the model')
  return dir
}

async function backupOf(dir: string): Promise<Backup> {
  const model = { groups: ['default'], dir, pulled: { model: 'a/b', revision: 'main', commit: 'c0ffee' } }
  return createBackup({ createdAt: 'now', program: '0', config: null, files: [], models: [model] }, () => {})
}

it('finds every change of a model', async () => {
  const dir = await modelFolder()
  const backup = parseBackup(JSON.stringify(await backupOf(dir)), 'b.json')
  expect(backup.models[0]?.files.map(({ path, size }) => `${path} ${size}`)).toEqual([
    'config.json 2',
    'onnx/weights 3',
  ])
  const problems = async (): Promise<readonly string[]> =>
    (await checkModels(backup.models, () => null))[0]?.problems ?? ['no verdict']
  expect(await problems()).toEqual([])
  await writeFile(join(dir, 'onnx/weights'), 'abd')
  await writeFile(join(dir, 'config.json'), '{ }')
  expect(await problems()).toEqual([
    `${join(dir, 'config.json')} has 3 bytes instead of 2`,
    `${join(dir, 'onnx/weights')} has another checksum`,
  ])
  await rm(join(dir, 'config.json'))
  expect((await problems())[0]).toContain('config.json is missing')
})

it('says how to get a model that is not there', async () => {
  const dir = await modelFolder()
  const { models } = await backupOf(dir)
  const [verdict] = await checkModels(models, () => join(dir, 'elsewhere'))
  expect(verdict?.problems).toEqual([`${join(dir, 'elsewhere')} is missing`])
  expect(verdict?.help).toBe('asr-cluster pull a/b --revision c0ffee')
})

it('refuses what is no backup', () => {
  expect(() => parseBackup('x', 'f')).toThrow('f is not JSON')
  expect(() => parseBackup('{"format":"tar"}', 'f')).toThrow('f is no backup of asr-cluster: `format`')
})
