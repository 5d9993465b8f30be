import {
  balancerConfigSchema,
  policyNames,
  type BalancerConfig,
  type BalancerConfigInput,
} from '@asr-cluster/protocol'
import { z } from 'zod'
import { ConfigurationError } from './option-errors.js'

/** Flags of the command line that set the configuration: flag → path in the schema. */
export const configFlags = {
  host: { path: ['host'], type: 'string' },
  port: { path: ['port'], type: 'number' },
  'tls-cert': { path: ['tls', 'cert'], type: 'string' },
  'tls-key': { path: ['tls', 'key'], type: 'string' },
  policy: { path: ['policy'], type: 'string', choices: policyNames },
  'max-body-size': { path: ['maxBodySize'], type: 'string' },
  'max-connections-per-address': { path: ['maxConnectionsPerAddress'], type: 'number' },
  'requests-per-minute-per-address': { path: ['perAddress', 'requestsPerMinute'], type: 'number' },
  'concurrency-per-address': { path: ['perAddress', 'concurrency'], type: 'number' },
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
