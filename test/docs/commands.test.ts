import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { repositoryRoot, startCluster } from '../harness/index.js'
import type { TestCluster } from '../harness/index.js'
import { documentedCommands } from './commands.ts'
import { coveredElsewhere } from './covered-elsewhere.ts'

const adminKey = 'an-admin-key-for-the-documentation'
const commands = documentedCommands()
const isElsewhere = (text: string): boolean => coveredElsewhere.some(({ command }) => command.test(text))

test('each command that is not run here names a test or script that does it', () => {
  for (const { command, by, shows } of coveredElsewhere) {
    expect(readFileSync(`${repositoryRoot}${by}`, 'utf8'), `${by} for ${command}`).toMatch(shows)
    expect(
      commands.some(({ text }) => command.test(text)),
      `nobody documents ${command}`,
    ).toBe(true)
  }
})

/** What the documentation takes for granted: the repository's files in the working folder, the programs in the PATH. */
function prepare(cluster: TestCluster): { cwd: string; env: Record<string, string> } {
  const { dir } = cluster
  for (const name of ['examples', 'models', 'config', 'test', 'node_modules', 'packages']) {
    symlinkSync(`${repositoryRoot}${name}`, join(dir, name))
  }
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  for (const name of ['asr-cluster', 'asr-balancer', 'asr-instance']) {
    symlinkSync(`${repositoryRoot}node_modules/.bin/${name}`, join(bin, name))
  }
  return {
    cwd: dir,
    env: {
      PATH: `${bin}:${process.env['PATH']}`,
      XDG_RUNTIME_DIR: join(dir, 'run'),
      ADMIN_KEY: adminKey,
    },
  }
}

/** The documentation's port is 7860; the cluster of the test has another one, which is the only one it can find. */
function localise(text: string, cluster: TestCluster): string {
  return (
    text
      .replaceAll('localhost:7860', `localhost:${cluster.port}`)
      .replaceAll('127.0.0.1:7860', `127.0.0.1:${cluster.port}`)
      // Whoever reads wants to watch; whoever tests wants an end.
      .replace(/monitor$/, 'monitor -n 1')
  )
}

test(
  'every other command of the documentation ends well on a running cluster',
  { timeout: 300_000 },
  async () => {
    await using cluster = await startCluster({
      config: { groups: [{ instances: 2 }], auth: { adminKeys: [adminKey] } },
      deadlineMs: 290_000,
    })
    const { cwd, env } = prepare(cluster)
    cpSync(`${repositoryRoot}examples/hello.wav`, join(cwd, 'hello.wav'))
    writeFileSync(join(cwd, 'asr-cluster.yaml'), readFileSync(join(cwd, 'asr-cluster.yaml')))
    const here = commands.filter(({ text }) => !isElsewhere(text))
    // What ends the cluster comes last.
    const ordered = [
      ...here.filter(({ text }) => !text.endsWith('asr-cluster down')),
      ...here.filter(({ text }) => text.endsWith('asr-cluster down')),
    ]
    expect(ordered.length).toBeGreaterThan(40)
    const seen = new Set<string>()
    for (const { where, text } of ordered) {
      if (seen.has(text)) continue
      seen.add(text)
      const result = await execa('bash', ['-c', localise(text, cluster)], {
        cwd,
        env,
        reject: false,
        timeout: 60_000,
        stdin: 'ignore',
      })
      const output = `${where}: ${text}
${result.stdout}
${result.stderr}`
      expect(expectedExits(text), output).toContain(result.exitCode)
    }
  },
)

/** `doctor` of a test machine may find something that a cluster needs, such as a port that is in use. */
function expectedExits(text: string): number[] {
  return /asr-cluster doctor/.test(text) ? [0, 1] : [0]
}
