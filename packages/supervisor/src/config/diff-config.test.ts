import { describe, expect, it } from 'vitest'
import { describeDiff, diffConfig } from './diff-config.js'
import { clusterConfigSchema } from './schema.js'
import type { ClusterConfigInput } from './schema.js'

const diff = (from: ClusterConfigInput, to: ClusterConfigInput) =>
  diffConfig(clusterConfigSchema.parse(from), clusterConfigSchema.parse(to))

describe('the difference of two configurations', () => {
  it('of the same is nothing, however it is written', () => {
    expect(
      describeDiff(diff({}, { groups: [{ instances: 2 }], supervisor: { stopTimeout: '10000ms' } })),
    ).toEqual([])
  })

  it('tells groups that come, go, change, and change only lightly', () => {
    const result = diff(
      { groups: [{ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: 'd' }] },
      {
        groups: [
          { name: 'a', model: 'x', env: { A: '1' } },
          { name: 'c', weights: [2], instances: 4, maxAge: '1h' },
          { name: 'd' },
          { name: 'e' },
        ],
      },
    )
    expect(describeDiff(result)).toEqual([
      'added    group e',
      'removed  group b',
      'changed  group a: model, env',
      'changed  group c: instances 2 → 4',
      'changed  group c: weights → [2]',
    ])
  })

  it('renews our own instances, but no servers of others, when larger bodies are let through', () => {
    const groups = [{ name: 'a' }, { name: 'b', command: ['serve', '{port}'] }]
    const small = { groups, balancer: { maxBodySize: '1MB' } }
    const large = { groups, balancer: { maxBodySize: '2MB' } }
    expect(describeDiff(diff(small, large))).toEqual([
      'changed  group a: balancer.maxBodySize',
      'changed  balancer: maxBodySize',
    ])
    expect(describeDiff(diff(large, small))).toEqual(['changed  balancer: maxBodySize'])
  })

  it('refuses to turn TLS on or off, and takes other files', () => {
    const first = { balancer: { tls: { cert: '/a.crt', key: '/a.key' } } }
    const second = { balancer: { tls: { cert: '/b.crt', key: '/b.key' } } }
    expect(diff({}, first).refused).toEqual(['balancer.tls'])
    expect(diff(first, {}).refused).toEqual(['balancer.tls'])
    expect(diff(first, second)).toMatchObject({ refused: [], balancer: ['tls'] })
  })

  it('tells that keys changed, not which they are', () => {
    const result = diff({}, { auth: { apiKeys: ['a-secret-key'] }, cache: { enabled: true } })
    expect(describeDiff(result)).toEqual(['changed  cache: enabled', 'changed  auth: apiKeys'])
  })

  it('names what only a new start can change', () => {
    const result = diff(
      {},
      { balancer: { port: 1, policy: 'least-outstanding' }, supervisor: { logs: { dir: 'x' } } },
    )
    expect(result.refused).toEqual(['balancer.port', 'supervisor.logs'])
    expect(result.balancer).toEqual(['port', 'policy'])
  })
})
