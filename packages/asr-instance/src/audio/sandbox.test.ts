import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { sandboxPrefix } from './sandbox.js'

const path = process.env['PATH']
const prefix = await sandboxPrefix(path)
// oxlint-disable-next-line no-console
if (prefix.length === 0) console.log('no namespaces here: the sandbox is not tested')

const run = (...command: string[]): string => {
  const [file, ...args] = [...prefix, ...command] as [string, ...string[]]
  return execFileSync(file, args, { encoding: 'utf8', env: { PATH: path } })
}

describe.skipIf(prefix.length === 0)('the sandbox', () => {
  it('has no network but a loopback that is down', () => {
    const interfaces = run('cat', '/proc/net/dev').trim().split('\n').slice(2)
    expect(interfaces.map((line) => line.split(':')[0]?.trim())).toEqual(['lo'])
    expect(run('cat', '/proc/net/route').trim().split('\n')).toHaveLength(1)
  })

  it.skipIf(!prefix.includes('--user'))('has no capability outside of it, even for root', () => {
    expect(() => run('mount', '-t', 'tmpfs', 'none', '/tmp')).toThrow()
  })
})

it('is nothing where there is no unshare', async () => {
  expect(await sandboxPrefix('/nowhere')).toEqual([])
})
