import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { ClusterConfig } from '../../config/schema.js'
import { openUpConfig } from './up.js'

type Args = Parameters<typeof openUpConfig>[0]

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'up-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

function open(cwd: string, config: string | undefined, flags = {}): ReturnType<typeof openUpConfig> {
  const args = { config, insecure: false, ...flags } as Args
  const output = { print: () => {}, complain: () => {}, isTerminal: false }
  return openUpConfig(args, { output, cwd, env: {} })
}

const instancesOf = ({ groups }: ClusterConfig): unknown => groups[0]?.instances

it.each([undefined, 'asr-cluster.yaml'])(
  'reads the same file again, and takes one that is gone for no permission to use the defaults (-c %s)',
  (config) => {
    const dir = folder()
    const path = join(dir, 'asr-cluster.yaml')
    writeFileSync(path, 'groups: [{ instances: 3 }]\n')
    const opened = open(dir, config)
    expect(instancesOf(opened.config)).toBe(3)
    writeFileSync(path, 'groups: [{ instances: 4 }]\n')
    expect(instancesOf(opened.reload())).toBe(4)
    rmSync(path)
    expect(opened.reload).toThrow(`${path}: cannot be read: ENOENT`)
  },
)

it('stays without a file if it was started without one', () => {
  const dir = folder()
  const { reload } = open(dir, undefined)
  writeFileSync(join(dir, 'asr-cluster.yaml'), 'groups: [{ instances: 3 }]\n')
  expect(instancesOf(reload())).toBe(2)
})

it('leaves its flags with the group that was the first one, whatever the file says later', () => {
  const dir = folder()
  const path = join(dir, 'asr-cluster.yaml')
  const groups = (text: string): void => writeFileSync(path, `groups: [${text}]\n`)
  const described = ({ groups: all }: ClusterConfig) =>
    all.map(({ name, instances }) => `${name} ${instances}`)
  groups('{ name: a }, { name: b }')
  const { config, reload } = open(dir, undefined, { instances: 5 })
  expect(described(config)).toEqual(['a 5', 'b 2'])
  groups('{ name: c }, { name: a }, { name: b }')
  expect(described(reload())).toEqual(['c 2', 'a 5', 'b 2'])
  groups('{ name: c }, { name: b }')
  expect(described(reload())).toEqual(['c 2', 'b 2'])
})
