import { memberSchema, type Member } from '@asr-cluster/protocol'
import { z } from 'zod'
import { UsageError } from '../option-errors.js'

/** Used when neither the command line nor the instance says how many requests it works on at once. */
const foreignSlots = 4

const upstreamKeys = ['weight', 'slots', 'id', 'group', 'models', 'health', 'identity', 'native'] as const

/**
 * How an upstream becomes members: `address`: it is one. `dns`: each address of its host is one. `srv`: each target of
 * the SRV record is one.
 */
export type UpstreamKind = 'address' | 'dns' | 'srv'

export interface Upstream {
  kind: UpstreamKind
  /** The member, or what its members have in common: their ids begin with its id. */
  member: Member
  /** Take the number of slots from the instance's health answer. */
  slotsFromHealth: boolean
}

/**
 * `http://127.0.0.1:7861;weight=3;slots=4;id=a;group=g;models=m1,m2;health=/health;native=true`; `URL=3` is short for a
 * weight of 3. `dns+http://NAME:PORT` and `srv+http://_SERVICE._tcp.NAME` stand for all that the name resolves to. Throws
 * UsageError.
 */
export function parseUpstream(text: string, position: number): Upstream {
  const [target = '', ...pairs] = text.split(';')
  const scheme = /^(dns|srv)\+/.exec(target)
  const kind = (scheme?.[1] ?? 'address') as UpstreamKind
  const first = target.slice(scheme?.[0].length ?? 0)
  const short = /^(https?:\/\/[^=?#]+)=(\d+)$/.exec(first)
  const url = parseUrl(short?.[1] ?? first, text, kind)
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
  return { kind, member: parsed.data, slotsFromHealth: !settings.has('slots') }
}

export function parseUpstreams(texts: readonly string[]): Upstream[] {
  const upstreams = texts.map(parseUpstream)
  const ids = upstreams.map((upstream) => upstream.member.id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice !== undefined) throw new UsageError(`--upstream: the id \`${twice}\` is given twice`)
  return upstreams
}

function parseUrl(text: string, whole: string, kind: UpstreamKind): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`--upstream ${whole}: expected http://HOST:PORT or https://HOST:PORT`)
  }
  if (kind !== 'address' && url.protocol === 'https:') {
    throw new UsageError(
      `--upstream ${whole}: a certificate is for a name, so only http can be resolved to addresses`,
    )
  }
  if (kind === 'srv' && url.port !== '') {
    throw new UsageError(`--upstream ${whole}: the port comes from the SRV record`)
  }
  return url.origin
}
