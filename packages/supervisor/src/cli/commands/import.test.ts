import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { importCommand } from './import.js'

type Args = Parameters<typeof importCommand.run>[0]

const theirs = '[program:web]\ncommand=python web.py --port 9000\nenvironment=SECRET="s3cret"\n'

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'import-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'asr.conf'), theirs)
  return dir
}

function runImport(
  cwd: string,
  force: boolean,
  files: Partial<Args> = {},
  complain: (line: string) => void = () => {},
): Promise<number> {
  const args: Args = {
    _: [],
    $0: '',
    supervisor: 'asr.conf',
    nginx: undefined,
    output: 'out.yaml',
    keepCommands: false,
    force,
    json: false,
    ...files,
  }
  const output = { print: () => {}, complain, isTerminal: false }
  return importCommand.run(args, { output, cwd, env: {} })
}

it('writes a file that only its owner can read, also in the place of another one', async () => {
  const dir = folder()
  const path = join(dir, 'out.yaml')
  expect(await runImport(dir, false)).toBe(0)
  expect(readFileSync(path, 'utf8')).toContain('s3cret')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  rmSync(path)
  writeFileSync(path, 'old', { mode: 0o644 })
  await runImport(dir, true)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

it('takes the place of a link without touching what it leads to', async () => {
  const dir = folder()
  writeFileSync(join(dir, 'other'), 'theirs')
  symlinkSync(join(dir, 'other'), join(dir, 'out.yaml'))
  expect(await runImport(dir, true)).toBe(0)
  expect(readFileSync(join(dir, 'other'), 'utf8')).toBe('theirs')
})

it('reads what nginx.conf includes from its folder, and names the file of each note', async () => {
  const dir = folder()
  mkdirSync(join(dir, 'nginx/sites'), { recursive: true })
  writeFileSync(join(dir, 'nginx/nginx.conf'), 'http { include sites/*; }')
  const site =
    'server {\n listen 8080;\n server_name x;\n location / { proxy_pass http://127.0.0.1:9000; }\n}\n'
  writeFileSync(join(dir, 'nginx/sites/asr'), site)
  const said: string[] = []
  const code = await runImport(dir, false, { nginx: 'nginx/nginx.conf' }, (line) => void said.push(line))
  expect(code).toBe(0)
  expect(readFileSync(join(dir, 'out.yaml'), 'utf8')).toContain('port: 8080')
  expect(said).toContain(`  ${join(dir, 'nginx/sites/asr')}:3: server_name x: every name is answered`)
})

it('writes a file that can be read, also when the name of theirs has a line break', async () => {
  const dir = folder()
  writeFileSync(join(dir, 'a\nb: c'), theirs)
  expect(await runImport(dir, false, { supervisor: 'a\nb: c' })).toBe(0)
  expect(readFileSync(join(dir, 'out.yaml'), 'utf8')).toContain('from a\\nb: c. Every key')
})
