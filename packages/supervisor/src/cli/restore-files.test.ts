import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import type { Output } from './output.js'
import { main } from './main.js'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'restore-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'here'))
  writeFileSync(
    join(root, 'saved.json'),
    JSON.stringify(backupOf([{ path: 'keys/api.txt', text: 'secret' }])),
  )
})

const backupOf = (files: object[]): object => ({
  format: 'asr-cluster-backup',
  version: 1,
  createdAt: '',
  program: '',
  config: { name: 'c.yaml', text: '# ours\n' },
  files,
  models: [],
})

async function restore(...options: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const output: Output = { print: say, complain: say, isTerminal: false }
  const args = ['restore', '../saved.json', ...options]
  const code = await main(args, { output, cwd: join(root, 'here'), env: {} })
  return { code, said: said.join('\n') }
}

it('promises in a dry run what the real one does', async () => {
  const keys = join(root, 'here/keys/api.txt')
  expect(await restore('--dry-run')).toEqual({
    code: 0,
    said: `would write ${join(root, 'here/c.yaml')}\nwould write ${keys}`,
  })
  expect(existsSync(join(root, 'here/c.yaml'))).toBe(false)
  expect(await restore('--dir', 'new/folder')).toMatchObject({ code: 0 })
  expect(await restore()).toMatchObject({ code: 0 })
  expect(readFileSync(keys, 'utf8')).toBe('secret')
})

it.each<[string, (here: string) => void, string[], string]>([
  ['a file', (here) => writeFileSync(join(here, 'c.yaml'), 'theirs'), [], 'c.yaml is there already'],
  ['a dead link', (here) => symlinkSync('nowhere', join(here, 'c.yaml')), [], 'c.yaml is there already'],
  ['a folder', (here) => mkdirSync(join(here, 'c.yaml')), ['--force'], 'c.yaml is there already'],
  ['a file as folder', (here) => writeFileSync(join(here, 'keys'), ''), ['--force'], 'keys is no folder'],
  ['a link to a folder', (here) => symlinkSync('..', join(here, 'keys')), ['--force'], 'keys is a link'],
  [
    'a file as --dir',
    (here) => writeFileSync(join(here, 'f'), ''),
    ['--dir', 'f/below'],
    'cannot be written: ENOTDIR',
  ],
])(
  'refuses %s in its way, in a dry run too, and writes nothing',
  async (_what, prepare, options, message) => {
    prepare(join(root, 'here'))
    for (const run of [['--dry-run'], []]) {
      const ran = await restore(...options, ...run)
      expect(ran.said).toContain(message)
      expect(ran.code).toBe(1)
    }
    expect(existsSync(join(root, 'api.txt'))).toBe(false)
    expect(existsSync(join(root, 'here/keys/api.txt'))).toBe(false)
  },
)

it('takes no backup that has a file twice', async () => {
  writeFileSync(join(root, 'saved.json'), JSON.stringify(backupOf([{ path: './c.yaml', text: 'other' }])))
  expect(await restore('--force')).toMatchObject({ code: 1, said: expect.stringContaining('twice') })
})
