import { memberSchema, type Member } from '@asr-cluster/protocol'
import { z } from 'zod'
import { UsageError } from '../option-errors.js'

/** Used when neither the command line nor the instance says how many requests it works on at once. */
const foreignSlots = 4

const upstreamKeys = ['weight', 'slots', 'id', 'group', 'models', 'health', 'identity', 'native'] as const

/**
 * How an upstream becomes members: `address`: it is one. `dns`: each address of its host is one. `srv`: each target of
 * the SRV record is one. `kubernetes`: each pod of the Service is one.
 */
export type UpstreamKind = 'address' | 'dns' | 'srv' | 'kubernetes'

export interface ServiceOfUpstream {
  name: string
  /** Undefined: the one that the balancer runs in, or that the kubeconfig names. */
  namespace: string | undefined
  /** Number or name of the pods' port; undefined when they have one only. */
  port: number | string | undefined
}

export interface Upstream {
  kind: UpstreamKind
  /** The member, or what its members have in common. */
  member: Member
  /** Comes before the names of pods. */
  idPrefix: string
  /** Of the kind `kubernetes` only. */
  service?: ServiceOfUpstream
  /** Take the number of slots from the instance's health answer. */
  slotsFromHealth: boolean
}

/**
 * `http://127.0.0.1:7861;weight=3;slots=4;id=a;group=g;models=m1,m2;health=/health;native=true`; `URL=3` is short for a
 * weight of 3. `dns+http://NAME:PORT` and `srv+http://_SERVICE._tcp.NAME` stand for all that the name resolves to,
 * `kubernetes+http://SERVICE.NAMESPACE:PORT` for the pods of the Service. Throws UsageError.
 */
export function parseUpstream(text: string, position: number): Upstream {
  const [target = '', ...pairs] = text.split(';')
  const scheme = /^(dns|srv|kubernetes)\+/.exec(target)
  const kind = (scheme?.[1] ?? 'address') as UpstreamKind
  const first = target.slice(scheme?.[0].length ?? 0)
  const short = /^(https?:\/\/[^=?#]+)=(\d+)$/.exec(first)
  const plain = short?.[1] ?? first
  const service = kind === 'kubernetes' ? parseService(plain, text) : undefined
  const url = service
    ? `http://${service.name}${service.namespace === undefined ? '' : `.${service.namespace}`}`
    : parseUrl(plain, text, kind)
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
  return {
    kind,
    member: parsed.data,
    idPrefix: settings.has('id') ? `${parsed.data.id}-` : '',
    slotsFromHealth: !settings.has('slots'),
    ...(service ? { service } : {}),
  }
}

export function parseUpstreams(texts: readonly string[]): Upstream[] {
  const upstreams = texts.map(parseUpstream)
  const ids = upstreams.map((upstream) => upstream.member.id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice !== undefined) throw new UsageError(`--upstream: the id \`${twice}\` is given twice`)
  return upstreams
}

/** A name as `dns+` takes it, so that only the prefix has to change: what follows the namespace is not looked at. */
function parseService(text: string, whole: string): ServiceOfUpstream {
  const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?'
  const pattern = new RegExp(
    `^http://(${label})(?:\\.(${label})(?:\\.svc[-.a-z0-9]*)?)?(?::(\\d+|${label}))?/?$`,
  )
  const match = pattern.exec(text)
  if (!match?.[1]) {
    throw new UsageError(`--upstream ${whole}: expected kubernetes+http://SERVICE.NAMESPACE:PORT`)
  }
  const [, name, namespace, port] = match
  return { name, namespace, port: port !== undefined && /^\d+$/.test(port) ? Number(port) : port }
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
