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
      'f.yaml:2:9: `balancer.port`: expected a whole number from 0 to 65535, got text',
      'f.yaml:4:21: `balancer.timeouts.body`: expected a duration such as 500ms, 5s, 2m or 1h, got 5',
      expect.stringMatching(
        /^f\.yaml:3:3: unknown key `balancer\.nope`; there are host, port, tls, policy, /,
      ),
      'f.yaml:6:16: `groups[0].instances`: expected `auto` or a whole number from 0 to 64, got -1',
      'f.yaml:7:5: `groups[0].weights`: expected a list that is not empty, got an empty list',
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
    ['cache: { maxBytes: 5 }', /^f\.yaml:1:20: .*a size such as 512KB, 100MB or 1GiB, got 5$/],
    ['groups: [{ name: 5 }]', /: expected text \(in quotes\), got 5$/],
    ['groups: [{ model: "" }]', /`groups\[0\]\.model`: must not be empty$/],
    ['groups: [{ gpus: all }]', /: expected `auto` or `none` or a list that is not empty$/],
    ['groups: [{ maxAge: }]', /: expected a duration such as 500ms, 5s, 2m or 1h, got nothing$/],
    ['auth: { adminKeys: a-secret-key }', /: expected a list, got text$/],
    ['balancer: { prot: 1 }', /^f\.yaml:1:13: unknown key `balancer\.prot`; did you mean `port`\?$/],
    ['base_port: 1', /unknown key `base_port`; there are balancer, groups/],
    ['basePort: 1', /unknown key `basePort`; did you mean `groups\[\]\.basePort`\?$/],
    ['groups: [{ max_memory: 1GB }]', /did you mean `maxMemory`\?$/],
    [
      'auth: { apiKeys: [{ key: abcdefgh1, rate: 1 }] }',
      /there are key, name, requestsPerMinute, concurrency$/,
    ],
    ['auth: { apiKeys: [short] }', /^f\.yaml:1:19: .*8 to 256 printable characters/],
    [
      'groups: [{ quantization: fp8 }]',
      /^f\.yaml:1:26: .*: expected `none`, `fp16`, `int8`, `int4` or `auto`$/,
    ],
    ['- a list', /^f\.yaml:1:1: expected keys with values, got a list$/],
  ])('%s is refused', (text, expected) => {
    expect(problemsOf(text)[0]).toMatch(expected)
  })

  it.each([
    ['balancer:\n\tport: 1', ['f.yaml:2:1: a tab; lines are indented with spaces']],
    ['balancer: { port: 1', ['f.yaml:1:20: a `}` is missing, which closes what was opened before']],
    ['groups: [1, 2', ['f.yaml:1:14: a `]` is missing, which closes what was opened before']],
    ['a: b: c', ['f.yaml:1:4: a second colon in one line: a text with `: ` in it needs quotes']],
    ['auth: {}\nauth: {}', ['f.yaml:2:1: the key `auth` is there twice']],
    ['a: "x', ['f.yaml:1:6: a `"` is missing, which closes the text']],
    ['a: @b', ['f.yaml:1:4: a text that begins with `@` needs quotes']],
    ['a:\n  b: 1\n c: 2', ['f.yaml:3:1: this line is indented differently from those that it belongs to']],
    ['a:\n - b: 1\n- c', [expect.stringMatching(/^f\.yaml:3:1: /)]],
    ['a:\n  b: 1\n  c 2', ['f.yaml:3:3: a key without its colon: expected `KEY: VALUE`']],
    ['a: 1\n---\nb: 2', ['f.yaml:2:1: a second document begins here (`---`); there may be one']],
    // Three errors of the parser.
    ['- a\nb: 1', [expect.stringMatching(/^f\.yaml:2:1: this does not belong here/)]],
  ])('says in words what is wrong with the YAML %j', (text, expected) => {
    expect(problemsOf(text)).toEqual(expected)
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
    expect(() => loadLogsDir({ cwd: dir })).toThrow(/expected keys with values, got a list/)
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
