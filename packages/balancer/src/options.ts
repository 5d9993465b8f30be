import {
  balancerConfigSchema,
  memberSchema,
  policyNames,
  type BalancerConfig,
  type BalancerConfigInput,
  type Member,
} from '@asr-cluster/protocol'
import { z } from 'zod'

/** A wrong command line; the message is for the person who typed it. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Values that the schema refuses. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

/** Used when neither the command line nor the instance says how many requests it works on at once. */
const foreignSlots = 4

const upstreamKeys = ['weight', 'slots', 'id', 'group', 'models', 'health', 'identity', 'native'] as const

export interface Upstream {
  member: Member
  /** Take the number of slots from the instance's health answer. */
  slotsFromHealth: boolean
}

/**
 * `http://127.0.0.1:7861;weight=3;slots=4;id=a;group=g;models=m1,m2;health=/health;native=true`; `URL=3` is short for a
 * weight of 3. Throws UsageError.
 */
export function parseUpstream(text: string, position: number): Upstream {
  const [first = '', ...pairs] = text.split(';')
  const short = /^(https?:\/\/[^=?#]+)=(\d+)$/.exec(first)
  const url = parseUrl(short?.[1] ?? first, text)
  const settings = new Map<string, string>(short ? [['weight', short[2] as string]] : [])
  for (const pair of pairs) {
    const [key = '', ...value] = pair.split('=')
    if (!upstreamKeys.some((known) => known === key)) {
      throw new UsageError(
        `--upstream ${text}: unknown setting \`${key}\`; known are ${upstreamKeys.join(', ')}`,
      )
    }
    settings.set(key, value.join('='))
  }
  const parsed = memberSchema.safeParse({
    id: settings.get('id') ?? `upstream-${position}`,
    group: settings.get('group') ?? 'default',
    models: settings.get('models')?.split(',') ?? [],
    url,
    weight: Number(settings.get('weight') ?? 1),
    slots: Number(settings.get('slots') ?? foreignSlots),
    draining: false,
    native: settings.get('native') === 'true',
    ...(settings.has('identity') ? { identity: settings.get('identity') } : {}),
    ...(settings.has('health') ? { healthPath: settings.get('health') } : {}),
  })
  if (!parsed.success) throw new UsageError(`--upstream ${text}: ${z.prettifyError(parsed.error)}`)
  return { member: parsed.data, slotsFromHealth: !settings.has('slots') }
}

export function parseUpstreams(texts: readonly string[]): Upstream[] {
  const upstreams = texts.map(parseUpstream)
  const ids = upstreams.map((upstream) => upstream.member.id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice !== undefined) throw new UsageError(`--upstream: the id \`${twice}\` is given twice`)
  return upstreams
}

function parseUrl(text: string, whole: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`--upstream ${whole}: expected http://HOST:PORT or https://HOST:PORT`)
  }
  return url.origin
}

/** Flags of the command line that set the configuration: flag → path in the schema. */
export const configFlags = {
  host: { path: ['host'], type: 'string' },
  port: { path: ['port'], type: 'number' },
  policy: { path: ['policy'], type: 'string', choices: policyNames },
  'max-body-size': { path: ['maxBodySize'], type: 'string' },
  'connect-timeout': { path: ['timeouts', 'connect'], type: 'string' },
  'body-timeout': { path: ['timeouts', 'body'], type: 'string' },
  'response-timeout': { path: ['timeouts', 'response'], type: 'string' },
  'queue-max': { path: ['queue', 'max'], type: 'number' },
  'queue-timeout': { path: ['queue', 'timeout'], type: 'string' },
  'retry-attempts': { path: ['retry', 'attempts'], type: 'number' },
  'retry-budget': { path: ['retry', 'budget'], type: 'string' },
  'health-interval': { path: ['health', 'interval'], type: 'string' },
  'health-timeout': { path: ['health', 'timeout'], type: 'string' },
  'health-fall': { path: ['health', 'fall'], type: 'number' },
  'health-rise': { path: ['health', 'rise'], type: 'number' },
  'health-path': { path: ['health', 'path'], type: 'string' },
} as const satisfies Record<string, ConfigFlag>

export interface ConfigFlag {
  path: readonly string[]
  type: 'string' | 'number'
  choices?: readonly string[]
}

/** `base` (a `balancer:` section as written in a configuration) with the flags over it. Throws ConfigurationError. */
export function resolveConfig(base: unknown, flags: Readonly<Record<string, unknown>>): BalancerConfig {
  if (base !== undefined && (typeof base !== 'object' || base === null)) {
    throw new ConfigurationError('--config-json: expected an object')
  }
  const input: Record<string, unknown> = structuredClone((base as Record<string, unknown> | undefined) ?? {})
  for (const [flag, { path }] of Object.entries(configFlags)) {
    if (flags[flag] !== undefined) setIn(input, path, flags[flag])
  }
  const parsed = balancerConfigSchema.safeParse(input as BalancerConfigInput)
  if (!parsed.success) throw new ConfigurationError(z.prettifyError(parsed.error))
  return parsed.data
}

function setIn(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    target[key] = value
    return
  }
  const inner = (target[key] as Record<string, unknown> | undefined) ?? {}
  target[key] = inner
  setIn(inner, rest, value)
}
