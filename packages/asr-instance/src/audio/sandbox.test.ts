import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { sandboxFor } from './sandbox.js'

const path = process.env['PATH']
/** It takes `-version`, as ffmpeg does, and does whatever a test wants. */
const program = execFileSync('sh', ['-c', 'command -v perl || command -v bash'], { encoding: 'utf8' }).trim()
const { prefix, walls } = await sandboxFor(program, path)
if (!walls.includes('files'))
  // oxlint-disable-next-line no-console
  console.log(`of the sandbox only ${walls.join(', ') || 'nothing'} is there to be tested`)

const run = (...command: string[]): string => {
  const [file = '', ...args] = [...prefix, ...command]
  return execFileSync(file, args, {
    encoding: 'utf8',
    env: { PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function folder(parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, 'sandbox-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

describe.skipIf(!walls.includes('network'))('the sandbox', () => {
  it('has no network but a loopback that is down', () => {
    const read = (name: string): string => run('cat', `/proc/net/${name}`).trim()
    expect(
      read('dev')
        .split('\n')
        .slice(2)
        .map((line) => line.split(':')[0]?.trim()),
    ).toEqual(['lo'])
    expect(read('route').split('\n')).toHaveLength(1)
  })

  it.skipIf(!prefix.includes('--user'))('has no capability, even for root', () => {
    expect(() => run('mount', '-t', 'tmpfs', 'none', '/tmp')).toThrow()
  })
})

describe.skipIf(!walls.includes('files'))('the sandbox with a root of its own', () => {
  it('shows no file but programs and libraries', () => {
    const dir = folder()
    writeFileSync(join(dir, 'secret'), 'secret')
    for (const file of [
      join(dir, 'secret'),
      '/etc/passwd',
      process.execPath.replace(/^\/usr\/.*/, '/etc/passwd'),
    ])
      expect(() => run('cat', file), file).toThrow()
    const shown = run('ls', '/').trim().split('\n')
    expect(shown.filter((name) => !/^(usr|bin|sbin|lib\w*|etc|proc|dev)$/.test(name))).toEqual([])
    expect(run('ls', '/etc').trim().split('\n').toSorted().join()).toMatch(
      /^(alternatives,?)?(ld\.so\.cache)?$/,
    )
  })

  it('has nowhere to write', () => {
    for (const file of ['/x', '/tmp/x', '/usr/x', '/dev/x', '/proc/sys/vm/swappiness'])
      expect(() => run('sh', '-c', `echo 60 > ${file}`), file).toThrow()
  })

  it('sees no process of ours, neither to read nor to signal', () => {
    const seen = run('sh', '-c', 'echo /proc/[0-9]*; kill -0 ' + process.pid + ' || echo none')
    expect(seen).toMatch(/^\/proc\/1( \/proc\/\d+)?\nnone\n$/)
  })

  it('reads its input, also a file without a name, and may seek in it', () => {
    const dir = folder()
    writeFileSync(join(dir, 'upload'), '0123456789')
    const fd = openSync(join(dir, 'upload'), 'r')
    unlinkSync(join(dir, 'upload'))
    const [file, ...args] = [...prefix, 'tail', '-c', '3', '/dev/fd/0']
    expect(
      execFileSync(file, args, { encoding: 'utf8', env: { PATH: path }, stdio: [fd, 'pipe', 'pipe'] }),
    ).toBe('789')
  })

  it('ends with the process that was started, and gives its exit code', async () => {
    const [file, ...args] = [...prefix, 'sh', '-c', 'echo up; read line']
    const child = spawn(file, args, { env: { PATH: path }, stdio: ['pipe', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    // Its end of the pipe is closed only when the last process in the sandbox is gone.
    await once(child.stdout.resume(), 'end')
    const failing = spawn(file, [...args.slice(0, -3), 'sh', '-c', 'exit 7'], { env: { PATH: path } })
    expect((await once(failing, 'exit'))[0]).toBe(7)
  })

  it('runs a program that is installed elsewhere', async () => {
    const dir = folder('/var/tmp')
    copyFileSync('/bin/true', join(dir, 'own'))
    symlinkSync(join(dir, 'own'), join(dir, 'link'))
    const elsewhere = await sandboxFor(join(dir, 'link'), path)
    expect(elsewhere.walls).toEqual(['files', 'network'])
    const [file, ...args] = [...elsewhere.prefix, join(dir, 'own')]
    execFileSync(file, args, { env: { PATH: path } })
    expect(readFileSync(join(dir, 'own')).length).toBeGreaterThan(0)
  })
})

it('is nothing where there is no unshare', async () => {
  expect(await sandboxFor(program, '/nowhere')).toEqual({ prefix: [], walls: [] })
})

describe('a try that fails', () => {
  /** A PATH whose `unshare` works as soon as there is a file `works`. */
  function fakePath(): string {
    const dir = folder()
    writeFileSync(join(dir, 'unshare'), `#!/bin/sh\ntest -e '${dir}/works'\n`, { mode: 0o755 })
    symlinkSync('/bin/sh', join(dir, 'sh'))
    return dir
  }

  it('is made again a minute later, one that finds all walls never', async () => {
    const dir = fakePath()
    let now = 0
    const walls = async () => (await sandboxFor(program, dir, () => now)).walls
    expect(await walls()).toEqual([])
    writeFileSync(join(dir, 'works'), '')
    now = 59_999
    expect(await walls()).toEqual([])
    now = 60_000
    expect(await walls()).toEqual(['files', 'network'])
    unlinkSync(join(dir, 'works'))
    now = 1e9
    expect(await walls()).toEqual(['files', 'network'])
  })

  it('is forgotten where there was no program', async () => {
    const dir = fakePath()
    writeFileSync(join(dir, 'works'), '')
    const late = join(dir, 'late')
    await expect(sandboxFor(late, dir)).rejects.toMatchObject({ code: 'ENOENT' })
    symlinkSync(program, late)
    expect((await sandboxFor(late, dir)).walls).toEqual(['files', 'network'])
  })
})
