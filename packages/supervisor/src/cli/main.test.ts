import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { serveControl } from '../control/control-server.js'
import { controlSocketPath } from '../control/state-dir.js'
import { main } from './main.js'

const port = 7997

interface Ran {
  code: number
  said: string[]
  /** What the supervisor was asked for. */
  operations: { name: string; body: unknown }[]
}

/** Runs a command line beside a supervisor that does whatever it is asked for. */
async function run(...args: string[]): Promise<Ran> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'main-'))
  onTestFinished(() => rmSync(runtimeDir, { recursive: true }))
  const stateDir = join(runtimeDir, 'asr-cluster')
  mkdirSync(stateDir, { mode: 0o700 })
  const operations: Ran['operations'] = []
  const operation = (name: string) => (body: unknown) => {
    operations.push({ name, body })
    return Promise.resolve({ ok: true, message: 'done' })
  }
  const server = await serveControl(controlSocketPath(stateDir, port), {
    status: () => ({}),
    balancerUrl: () => `http://127.0.0.1:${port}`,
    certificate: async () => null,
    logs: async () => {},
    operations: Object.fromEntries(['stop', 'restart', 'scale'].map((name) => [name, operation(name)])),
  })
  const said: string[] = []
  const output = {
    print: (line: string) => void said.push(line),
    complain: (line: string) => void said.push(line),
    isTerminal: false,
  }
  const code = await main(args, { output, cwd: runtimeDir, env: { XDG_RUNTIME_DIR: runtimeDir } })
  await new Promise<void>((resolve) => void server.close(() => resolve()))
  return { code, said, operations }
}

describe('what follows `--`', () => {
  const to = ['--port', String(port)]

  it.each([
    [['stop', ...to, '--', 'default-1'], { name: 'stop', body: { ids: ['default-1'] } }],
    [['stop', ...to, 'a', '--', 'b', '--json'], { name: 'stop', body: { ids: ['a', 'b', '--json'] } }],
    [['stop', '-', ...to], { name: 'stop', body: { ids: ['-'] } }],
    [['restart', ...to, '--', '-'], { name: 'restart', body: { ids: ['-'], rolling: false } }],
    [
      ['restart', ...to, '--rolling', '--', 'true'],
      { name: 'restart', body: { ids: ['true'], rolling: true } },
    ],
    [['scale', ...to, '--', '4'], { name: 'scale', body: { targets: ['4'] } }],
  ])('is positional: %j', async (args, operation) => {
    expect(await run(...args)).toMatchObject({ code: 0, operations: [operation] })
  })

  it.each([
    [['transcribe', '--', '-dash.wav'], 1, /-dash\.wav/],
    [['transcribe', '-'], 2, /standard input is not read/],
    [['config', '--', 'print', 'more'], 2, /more/],
    [['status', ...to, '--', 'left'], 2, /left/],
    [['status', ...to, 'down'], 2, /down/],
    [['doctor', '--config', '--', 'x'], 2, /--config needs a value/],
  ])('is neither dropped nor read as an option: %j', async (args, code, message) => {
    const ran = await run(...args)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran.said.join('\n')).not.toContain('\0')
    expect(ran).toMatchObject({ code, operations: [] })
  })

  it('may name what a command chooses from', async () => {
    expect(await run('config', '--', 'schema')).toMatchObject({ code: 0 })
  })
})

describe('--json', () => {
  it.each([
    [['status', '--port', '7996'], 1, 'no cluster runs on port 7996'],
    [['down', '--port', '7996'], 1, 'no cluster runs on port 7996'],
    [['scale', '3', '--port', '7996'], 1, 'no cluster runs on port 7996'],
    [['backup', 'x.json', '-c', 'no.yaml'], 78, 'no.yaml: cannot be read: ENOENT'],
    [['eval', 'no.jsonl'], 1, 'no.jsonl cannot be read: ENOENT'],
    [['logs', 'nobody', '--port', '7996'], 1, 'no log of `nobody`'],
  ])('prints an object also where the command fails: %j', async (args, expected, message) => {
    const { code, said } = await run(...args, '--json')
    expect(code).toBe(expected)
    const { ok, message: given } = JSON.parse(said[0] ?? '') as { ok: boolean; message: string }
    expect(ok).toBe(false)
    expect(given).toContain(message)
    expect(said.slice(1).join('\n')).toContain(message)
  })
})

it('shows the logs of a dead cluster whatever else is wrong with its configuration', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'logs-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'a-0.log'), '2026-01-01T00:00:00.000Z stderr F last words\n')
  const file = join(dir, 'c.yaml')
  writeFileSync(file, JSON.stringify({ groups: [{ model: 'gone' }], supervisor: { logs: { dir } }, nope: 1 }))
  const ran = await run('logs', 'a-0', '--port', '7996', '-c', file)
  expect(ran).toMatchObject({ code: 0, said: ['last words'] })
})

describe('bench', () => {
  it.each([
    [['--warm-up=-1'], 2, /--warm-up must be a whole number from 0/],
    [['--warm-up', '1.5'], 2, /--warm-up must be/],
    [['--seed', '1.5'], 2, /--seed must be a whole number from 0/],
    [['--timeout', '0s'], 2, /--timeout must be longer than 0/],
    [['--timeout', 'soon'], 2, /--timeout: expected a duration/],
    [['--duration', '0'], 2, /--duration must be longer than 0/],
    [['--json', 'no/such/folder.json'], 1, /folder\.json cannot be written: ENOENT/],
    [['--json', '.'], 1, /cannot be written: EISDIR/],
  ])('refuses %j before the load', async (options, code, message) => {
    // Not even the recording is read.
    const ran = await run('bench', '--port', String(port), '--audio', 'no.wav', ...options)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran.code).toBe(code)
  })
})

describe('scale', () => {
  it.each([
    [['1e0'], /expected N or GROUP=N, got `1e0`/],
    [['0x2'], /got `0x2`/],
    [['a=3', 'b=bad'], /got `b=bad`/],
    [['a=3', 'b=1', 'a=4'], /the group `a` is given twice/],
    [['3', '4'], /N is given twice/],
  ])('refuses %j before it asks for anything', async (targets, message) => {
    const ran = await run('scale', '--port', String(port), ...targets)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran).toMatchObject({ code: 2, operations: [] })
  })
})

describe('eval', () => {
  it.each([
    [['--max-wer', '5'], /--max-wer: expected a rate such as 0\.15 or 15%, got `5`/],
    [['--max-wer', '1.01'], /--max-wer/],
    [['--max-wer', 'low'], /--max-wer/],
    [['--worst', '-1'], /--worst must be a whole number from 0/],
    [['--worst', '1.5'], /--worst must be a whole number from 0/],
  ])('refuses %j', async (options, message) => {
    const ran = await run('eval', 'no.jsonl', ...options)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran.code).toBe(2)
  })

  it.each([['1'], ['0.15'], ['15%'], ['150 %']])('takes --max-wer %s', async (rate) => {
    const ran = await run('eval', 'no.jsonl', '--max-wer', rate)
    expect(ran.said.join('\n')).toMatch(/no\.jsonl cannot be read/)
  })
})

describe('config validate', () => {
  const host = { balancer: { host: '0.0.0.0' } }

  it.each([
    [host, [], 78, /0\.0\.0\.0 is reachable from other machines/],
    [host, ['--insecure'], 0, /ok/],
    [{ supervisor: { user: 'no-such-user' } }, [], 78, /there is no user `no-such-user`/],
    [{ supervisor: { allowUsers: ['no-such-user'] } }, [], 78, /there is no user `no-such-user`/],
    [{ supervisor: { user: 'root' } }, [], 0, /ok/],
  ])('judges %j as `up` does', async (config, options, code, message) => {
    const dir = mkdtempSync(join(tmpdir(), 'validate-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'c.yaml')
    writeFileSync(file, JSON.stringify(config))
    const ran = await run('config', 'validate', '-c', file, ...options)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran.code).toBe(code)
    expect((await run('config', 'print', '-c', file)).code).toBe(0)
  })
})

describe('an option', () => {
  it.each([
    [['up', '-c', 'a', '-c', 'b'], /(-c|--config) was given more than once/],
    [['status', '--port', '7860', '--port', '7861'], /--port was given more than once/],
    [['status', '--port', 'abc'], /--port must be a number/],
    [['status', '--port', '70000'], /--port must be a whole number from 0 to 65535/],
    [['status', '--port', '1.5'], /--port must be a whole number/],
    [['status', '--port=-1'], /--port must be a whole number/],
    [['up', '--instances', '65'], /--instances must be a whole number from 0 to 64/],
    [['status', '--port'], /Not enough arguments following: port/],
    [['stop', '--port', '--', '7997'], /--port must be a number/],
    [['up', '--instances'], /Not enough arguments following: instances/],
    [['config', 'validate', '-c'], /Not enough arguments following: c/],
    [['pull', 'a/b', '--quantization'], /Not enough arguments following: quantization/],
    [['verify', '--url', '--json'], /Not enough arguments following: url/],
  ])('is given once, with a value of its kind: %j', async (args, message) => {
    const ran = await run(...args)
    expect(ran.said.join('\n')).toMatch(message)
    expect(ran.code).toBe(2)
  })
})
