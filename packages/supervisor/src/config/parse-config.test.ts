import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashApiKey } from '@asr-cluster/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ConfigError } from './config-error.js'
import { configJsonSchema, configTable } from './json-schema.js'
import { installationRoot, loadConfig, loadLogsDir, loadModelDir } from './load-config.js'
import { parseConfig } from './parse-config.js'
import { clusterConfigSchema } from './schema.js'
import { toInput } from './to-input.js'
import { writeSchema } from './write-schema.js'

function problemsOf(text: string): string[] {
  try {
    parseConfig(text, 'f.yaml')
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

describe('the configuration', () => {
  it.each(['', '# nothing but a comment\n', '{}'])('fills in every default of %j', (text) => {
    const config = parseConfig(text, 'f.yaml')
    expect(config.balancer).toMatchObject({ port: 7860, maxBodySize: 100e6, timeouts: { body: 300_000 } })
    expect(config.groups).toMatchObject([
      { name: 'default', model: 'models/demo', instances: 2, basePort: 7861 },
    ])
    expect(config.supervisor).toMatchObject({ startTimeout: 120_000, backoff: { base: 1_000, cap: 60_000 } })
  })

  it.each([
    ['an alias without its anchor', 'groups: [*g]\n', 'Unresolved alias'],
    ['an alias inside its own anchor', 'groups: &g [*g]\n', ''],
    [
      'a million laughs',
      `a: &a [${'x,'.repeat(20)}]\n${['b', 'c', 'd', 'e', 'f'].map((name, index) => `${name}: &${name} [${`*${'abcde'[index]},`.repeat(20)}]\n`).join('')}`,
      'Excessive alias count',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(problemsOf(text).join()).toContain(message)
    expect(problemsOf(text)).not.toEqual([])
  })

  it.each([
    ['', 'auto'],
    ['gpuMemory: auto', 'auto'],
    ['gpuMemory: 0', 0],
    ['gpuMemory: 0B', 0],
    ['gpuMemory: 20GB', 20e9],
  ])('reads what an instance takes on its GPU: `%s`', (line, expected) => {
    const config = parseConfig(`groups: [{ ${line} }]\n`, 'f.yaml')
    expect(config.groups[0]?.gpuMemory).toBe(expected)
    expect(clusterConfigSchema.parse(toInput(config)).groups[0]?.gpuMemory).toBe(expected)
  })

  it('shows the default of a key with a unit in the JSON schema and in the table', () => {
    expect(configTable()).toContain('| `groups[].gpuMemory` | `auto` |')
  })

  it('lets no key change the objects of the program', () => {
    expect(
      problemsOf('__proto__: { polluted: 1 }\ngroups: [{ constructor: { prototype: { polluted: 1 } } }]\n'),
    ).not.toEqual([])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('of the repository is the defaults, written out', () => {
    const text = readFileSync(`${installationRoot}/config/asr-cluster.yaml`, 'utf8')
    expect(parseConfig(text, 'asr-cluster.yaml')).toEqual(parseConfig('', 'empty'))
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/asr-cluster\.schema\.json\n/)
  })

  it('survives being written out with units and read again', () => {
    const config = parseConfig('balancer: { retry: { budget: 33.3% }, maxBodySize: 1.5MB }', 'f.yaml')
    expect(clusterConfigSchema.parse(toInput(config))).toEqual(config)
  })

  it('is refused with the place of every problem', () => {
    const text = [
      'balancer:',
      '  port: abc',
      '  nope: 1',
      '  timeouts: { body: 5 }',
      'groups:',
      '  - instances: -1',
      '    weights: []',
      '  - name: Upper Case',
      'supervisor:',
      '  logs: { maxBytes: 10 apples }',
    ].join('\n')
    expect(problemsOf(text)).toEqual([
      'f.yaml:2:9: `balancer.port`: expected number, received string',
      'f.yaml:4:21: `balancer.timeouts.body`: expected text with a unit or in quotes, such as 5s or 100MB',
      'f.yaml:3:3: unknown key `balancer.nope`',
      'f.yaml:6:16: `groups[0].instances`: too small: expected number to be >=0',
      'f.yaml:7:5: `groups[0].weights`: too small: expected array to have >=1 items',
      'f.yaml:8:11: `groups[1].name`: expected lower-case letters, digits and dashes, a letter first',
      'f.yaml:10:21: `supervisor.logs.maxBytes`: expected a size such as 512KB, 100MB or 1GiB',
    ])
  })

  it.each([
    ['a: [1', /^f\.yaml:1:\d+: /],
    ['groups: [{}, {}]', /^f\.yaml:1:14: .*a second group is called `default`/],
    ['groups: [{ name: balancer }]', /^f\.yaml:1:18: .*call the group otherwise/],
    ['groups: [{ name: a-0 }, { name: a }]', /^f\.yaml:1:18: .*an instance of the group `a` too/],
    ['groups: [{ name: a }, { name: a-next }]', /^f\.yaml:1:31: .*an instance of the group `a` too/],
    ['supervisor: { backoff: { base: 2m } }', /^f\.yaml:1:32: .*longer than `cap`/],
    ['groups: [{ basePort: 65535 }]', /no port/],
    ['balancer: { port: 65535 }\ngroups: [{ basePort: 65535, instances: 1 }]', /^f\.yaml:2:22: .*no port/],
    ['cache: { maxBytes: 5 }', /^f\.yaml:1:20: .*text with a unit/],
    ['auth: { apiKeys: [short] }', /^f\.yaml:1:19: .*8 to 256 printable characters/],
    ['groups: [{ quantization: fp8 }]', /^f\.yaml:1:26: .*"none"\|"fp16"/],
    ['- a list', /expected object/],
  ])('%s is refused', (text, expected) => {
    expect(problemsOf(text)[0]).toMatch(expected)
  })

  it('may have groups whose names only look alike', () => {
    expect(problemsOf('groups: [{ name: a }, { name: a-b }, { name: c-0 }, { name: a-b0 }]')).toEqual([])
  })

  it('has a JSON schema and a table that are up to date', () => {
    expect(writeSchema(true)).toEqual([])
    expect(configJsonSchema()).toMatchObject({ type: 'object', additionalProperties: false })
  })
})

describe('loading', () => {
  it('finds the demo model from anywhere', () => {
    const { config } = loadConfig({ cwd: '/' })
    expect(config.groups[0]?.model).toBe(`${installationRoot}/models/demo`)
  })

  it('lets the command line win', () => {
    const { config } = loadConfig({ cwd: '/', overrides: { port: 9, instances: 3, basePort: 0 } })
    expect(config).toMatchObject({ balancer: { port: 9 }, groups: [{ instances: 3, basePort: 0 }] })
  })

  it('says where it looked for a model', () => {
    expect(() => loadConfig({ cwd: '/tmp', overrides: { model: 'no/such' } })).toThrow(
      /^--model: no such folder.*\/tmp\/no\/such.*asr-cluster pull no\/such/,
    )
    const dir = mkdtempSync(join(tmpdir(), 'asr-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    writeFileSync(join(dir, 'asr-cluster.yaml'), 'groups:\n  - { model: nor/this }\n')
    expect(() => loadConfig({ cwd: dir })).toThrow(/asr-cluster\.yaml:2:14: `groups\[0\]\.model`: no such/)
    expect(() => loadConfig({ cwd: dir, overrides: { model: 'no/such' } })).toThrow(/^--model: no such/)
  })

  it.each([
    [{ basePort: 65_535 }, '--base-port: the last instance of `default` would have no port'],
    [{ port: 65_535, basePort: 65_535, instances: 1 }, '--port, --base-port, --instances: the last'],
    [{ port: 65_535, basePort: 65_534, instances: 1 }, null],
    [{ basePort: 65_472, instances: 64 }, null],
    [{ basePort: 65_473, instances: 64 }, '--base-port, --instances: the last'],
  ])('looks for a port for each instance with the flags too: %j', (overrides, expected) => {
    const load = () => loadConfig({ cwd: '/', overrides })
    if (expected === null) load()
    else expect(load).toThrow(expected)
  })

  it('gives what a command needs of a configuration in which something else is wrong', () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const write = (text: string): void => writeFileSync(join(dir, 'asr-cluster.yaml'), text)
    mkdirSync(join(dir, 'my-model'))
    const wrong = 'balancer: { nope: 1, tls: { cert: no, key: no } }\nauth: { apiKeysFile: no }\n'
    write(`${wrong}groups: [{ name: theirs, command: [x] }, { model: my-model }]\n`)
    expect(() => loadConfig({ cwd: dir })).toThrow(/unknown key/)
    expect(loadLogsDir({ cwd: dir })).toBe(join(dir, 'logs'))
    expect(loadModelDir({ cwd: dir })).toBe(join(dir, 'my-model'))
    write(`${wrong}groups: [{ model: gone }]\nsupervisor: { logs: { dir: /var/log/x } }\n`)
    expect(loadLogsDir({ cwd: dir })).toBe('/var/log/x')
    expect(loadModelDir({ cwd: dir }, 'my-model')).toBe(join(dir, 'my-model'))
    expect(() => loadModelDir({ cwd: dir })).toThrow(/yaml:3:19: `groups\[0\]\.model`: no such folder/)
    expect(() => loadModelDir({ cwd: dir }, 'gone')).toThrow(/^--model: no such folder/)
    write('supervisor: { logs: { dirs: x } }\ngroups: [{ command: [x] }]\n')
    expect(() => loadLogsDir({ cwd: dir })).toThrow(/yaml:1:23: unknown key `supervisor\.logs\.dirs`/)
    expect(() => loadModelDir({ cwd: dir })).toThrow(/every group has a command of its own; name a --model/)
    write('- a list\n')
    expect(() => loadLogsDir({ cwd: dir })).toThrow(/expected object/)
    write('{ broken')
    expect(loadModelDir({ cwd: dir }, 'my-model')).toBe(join(dir, 'my-model'))
  })

  it('refuses a file that is not there', () => {
    expect(() => loadConfig({ cwd: '/', file: 'nowhere.yaml' })).toThrow(
      'nowhere.yaml: cannot be read: ENOENT',
    )
  })

  it('lets other machines in only with API keys, or when told that it is safe', () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const load = (config: object, insecure = false) => {
      writeFileSync(
        join(dir, 'asr-cluster.yaml'),
        JSON.stringify({ balancer: { host: '0.0.0.0' }, ...config }),
      )
      return () => loadConfig({ cwd: dir, insecure }).config.auth.apiKeys
    }
    expect(load({})).toThrow(/0\.0\.0\.0 is reachable from other machines; set auth\.apiKeys/)
    expect(load({}, true)()).toEqual([])
    expect(load({ auth: { apiKeys: ['first-key'] } })()).toEqual([hashApiKey('first-key')])
    const inFile = { auth: { apiKeysFile: 'keys' } }
    expect(load(inFile)).toThrow(/keys cannot be read: ENOENT/)
    writeFileSync(join(dir, 'keys'), '# nothing yet\n')
    expect(load(inFile)).toThrow(/keys holds no key/)
    writeFileSync(join(dir, 'keys'), 'second-key\n')
    expect(load({ auth: { apiKeys: ['first-key'], apiKeysFile: 'keys' } })()).toEqual([
      hashApiKey('first-key'),
      hashApiKey('second-key'),
    ])
  })
})
