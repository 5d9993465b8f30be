import { isDeepStrictEqual } from 'node:util'
import type { ClusterConfig, GroupConfig } from './schema.js'

/** What a new configuration changes. */
export interface ConfigDiff {
  added: GroupConfig[]
  removed: GroupConfig[]
  /** Groups whose processes have to be replaced, with the keys that differ: none after a reload that ended half way. */
  changed: { group: GroupConfig; keys: string[] }[]
  /** Groups of which only the weights differ: no process is touched. */
  reweighted: GroupConfig[]
  /** Groups with another number of instances. */
  resized: { group: GroupConfig; from: GroupConfig['instances'] }[]
  /** Keys of `balancer` that differ; the balancer hands over to a new one. */
  balancer: string[]
  /** Keys of `supervisor` that differ; they count at once. */
  supervisor: string[]
  /** Keys of `autoscale` that differ; they count at once. */
  autoscale: string[]
  /** Keys of `eval` that differ; they count at once. */
  eval: string[]
  /** Keys of `cache` that differ; they too take a new balancer. */
  cache: string[]
  /** Keys of `auth` that differ; the balancers are told. */
  auth: string[]
  /** Keys that only a new `up` can change. */
  refused: string[]
}

/** Keys that no process is started with. */
const lightKeys = new Set(['name', 'weights', 'instances', 'maxMemory', 'maxAge'])
const refusedKeys = { balancer: ['host', 'port'], supervisor: ['logs', 'user', 'allowUsers'] } as const

/** Groups in `unfinished` have changed whatever the configurations say. Pure. */
export function diffConfig(
  from: ClusterConfig,
  to: ClusterConfig,
  unfinished: ReadonlySet<string> = new Set(),
): ConfigDiff {
  const before = new Map(from.groups.map((group) => [group.name, group]))
  const after = new Set(to.groups.map(({ name }) => name))
  const kept = to.groups.flatMap((group) => {
    const old = before.get(group.name)
    return old ? [{ group, old, keys: differingKeys(old, group) }] : []
  })
  const balancer = differingKeys(from.balancer, to.balancer)
  // Our own instances are started with the balancer's limit, and must not refuse what it lets through.
  const isRaised = to.balancer.maxBodySize > from.balancer.maxBodySize
  const supervisor = differingKeys(from.supervisor, to.supervisor)
  return {
    added: to.groups.filter(({ name }) => !before.has(name)),
    removed: from.groups.filter(({ name }) => !after.has(name)),
    changed: kept.flatMap(({ group, keys }) => {
      const heavy = [
        ...keys.filter((key) => !lightKeys.has(key)),
        ...(isRaised && group.command === undefined ? ['balancer.maxBodySize'] : []),
      ]
      return heavy.length > 0 || unfinished.has(group.name) ? [{ group, keys: heavy }] : []
    }),
    reweighted: kept.filter(({ keys }) => keys.includes('weights')).map(({ group }) => group),
    resized: kept
      .filter(({ keys }) => keys.includes('instances'))
      .map(({ group, old }) => ({ group, from: old.instances })),
    balancer,
    supervisor,
    autoscale: differingKeys(from.autoscale, to.autoscale),
    eval: differingKeys(from.eval, to.eval),
    cache: differingKeys(from.cache, to.cache),
    auth: differingKeys(from.auth, to.auth),
    refused: [
      // All clients would have to change with it.
      ...((from.balancer.tls === undefined) === (to.balancer.tls === undefined) ? [] : ['balancer.tls']),
      ...refusedKeys.balancer.filter((key) => balancer.includes(key)).map((key) => `balancer.${key}`),
      ...refusedKeys.supervisor.filter((key) => supervisor.includes(key)).map((key) => `supervisor.${key}`),
    ],
  }
}

/** One line per difference, in the words of the configuration. */
export function describeDiff(diff: ConfigDiff): string[] {
  return [
    ...diff.added.map(({ name }) => `added    group ${name}`),
    ...diff.removed.map(({ name }) => `removed  group ${name}`),
    ...diff.changed.map(
      ({ group, keys }) =>
        `changed  group ${group.name}: ${keys.join(', ') || 'the last reload ended half way'}`,
    ),
    ...diff.resized.map(
      ({ group, from }) => `changed  group ${group.name}: instances ${from} → ${group.instances}`,
    ),
    ...diff.reweighted.map(
      ({ name, weights }) => `changed  group ${name}: weights → ${JSON.stringify(weights)}`,
    ),
    ...(diff.balancer.length > 0 ? [`changed  balancer: ${diff.balancer.join(', ')}`] : []),
    ...(diff.cache.length > 0 ? [`changed  cache: ${diff.cache.join(', ')}`] : []),
    ...(diff.eval.length > 0 ? [`changed  eval: ${diff.eval.join(', ')}`] : []),
    ...(diff.auth.length > 0 ? [`changed  auth: ${diff.auth.join(', ')}`] : []),
    ...(diff.autoscale.length > 0 ? [`changed  autoscale: ${diff.autoscale.join(', ')}`] : []),
    ...(diff.supervisor.length > 0 ? [`changed  supervisor: ${diff.supervisor.join(', ')}`] : []),
  ]
}

function differingKeys(a: object, b: object): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  const value = (of: object, key: string): unknown => (of as Record<string, unknown>)[key]
  return [...keys].filter((key) => !isDeepStrictEqual(value(a, key), value(b, key)))
}
