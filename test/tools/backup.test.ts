import {
  cpSync,
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
import { expect, it, onTestFinished } from 'vitest'
import { binOf, repositoryRoot, runProgram } from '../harness/index.js'

it('brings a configuration back, and finds a model that was changed meanwhile', async () => {
  const root = mkdtempSync(join(tmpdir(), 'asr-backup-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const [old, young] = [join(root, 'old'), join(root, 'young')]
  mkdirSync(old)
  mkdirSync(young)
  cpSync(join(repositoryRoot, 'models/demo'), join(root, 'model'), {
    recursive: true,
    filter: (path) => !path.includes('/eval') && !path.includes('/recipe'),
  })
  const config = `# ours\ngroups:\n  - model: ${join(root, 'model')}\nauth:\n  apiKeysFile: keys.txt\n`
  writeFileSync(join(old, 'asr-cluster.yaml'), config)
  writeFileSync(join(old, 'keys.txt'), 'secret-key-1\n')
  const run = (cwd: string, ...args: string[]) => runProgram(binOf('asr-cluster'), { args, cwd })

  expect(await run(old, 'backup', '../saved.json')).toMatchObject({ code: 0 })
  const saved = join(root, 'saved.json')
  expect(statSync(saved).mode & 0o777).toBe(0o600)
  expect(await run(old, 'backup', '../saved.json')).toMatchObject({ code: 1 })

  const back = await run(young, 'restore', saved)
  expect(back, back.stderr).toMatchObject({ code: 0 })
  expect(readFileSync(join(young, 'asr-cluster.yaml'), 'utf8')).toBe(config)
  expect(readFileSync(join(young, 'keys.txt'), 'utf8')).toBe('secret-key-1\n')
  expect(await run(young, 'config', 'validate')).toMatchObject({ code: 0 })
  const again = await run(young, 'restore', saved)
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('is there already')

  const weights = join(root, 'model/config.json')
  writeFileSync(weights, `${readFileSync(weights, 'utf8')} `)
  // What was readable by all, or a link to another file, is not what the keys are written into.
  const elsewhere = join(root, 'elsewhere')
  writeFileSync(elsewhere, 'safe', { mode: 0o644 })
  rmSync(join(young, 'keys.txt'))
  symlinkSync(elsewhere, join(young, 'keys.txt'))
  const changed = await run(young, 'restore', saved, '--force', '--json')
  expect(readFileSync(elsewhere, 'utf8')).toBe('safe')
  expect(statSync(join(young, 'keys.txt')).mode & 0o777).toBe(0o600)
  expect(changed.code).toBe(1)
  const { models } = JSON.parse(changed.stdout) as { models: { problems: string[] }[] }
  expect(models[0]?.problems).toHaveLength(1)
  expect(models[0]?.problems[0]).toContain('config.json has')

  const evil = JSON.parse(readFileSync(saved, 'utf8')) as { files: object[] }
  writeFileSync(saved, JSON.stringify({ ...evil, files: [{ path: '../../evil', text: '' }] }))
  const refused = await run(young, 'restore', saved, '--force')
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('outside of its folder')
})
