import type { Notes } from './notes.js'
import { expandIncludes, type FindIncluded } from './nginx-includes.js'
import { findRoutes, localPort, resolveDirective, type Route, type Routes } from './nginx-routes.js'
import { parseNginx, type Directive } from './parse-nginx.js'
import { boundedInteger, nginxDuration, nginxSize } from './units.js'

/** What an nginx file says about balancing. */
export interface TheirBalancer {
  /** The `balancer:` section of our configuration. */
  settings: Record<string, unknown>
  /** By port of a server on this machine. */
  weights: ReadonlyMap<number, number>
  slots: ReadonlyMap<number, number>
}

/** What a proxy has to be told and this balancer does by itself. */
const alwaysSo = new Set([
  'upstream',
  'server',
  'location',
  'http',
  'events',
  'listen',
  'proxy_pass',
  'proxy_set_header',
  'proxy_http_version',
  'proxy_buffering',
  'proxy_request_buffering',
  'proxy_next_upstream',
  'proxy_next_upstream_tries',
  'proxy_connect_timeout',
  'proxy_read_timeout',
  'proxy_send_timeout',
  'client_max_body_size',
  'client_body_timeout',
  'client_body_buffer_size',
  'keepalive',
  'keepalive_timeout',
  'keepalive_requests',
  'least_conn',
  'random',
  'worker_processes',
  'worker_connections',
  'pid',
  'user',
  'sendfile',
  'tcp_nopush',
  'tcp_nodelay',
  'zone',
  'default_type',
  'types',
])

const rate =
  'set balancer.perAddress.requestsPerMinute, for each address, or requestsPerMinute of a key in auth.apiKeys'
const concurrency =
  'set balancer.perAddress.concurrency, for each address, or concurrency of a key in auth.apiKeys'

const reasons: Record<string, string> = {
  ip_hash: 'a request goes to an instance that is free, not to one that its client had before',
  hash: 'a request goes to an instance that is free, not to one that its client had before',
  ssl_certificate: 'name the file in balancer.tls.cert, where the one port is to speak HTTPS',
  ssl_certificate_key: 'name the file in balancer.tls.key, where the one port is to speak HTTPS',
  server_name: 'every name is answered',
  access_log: 'requests are counted in /metrics; `asr-balancer --access-log` writes lines',
  error_log: 'the log of the balancer is balancer.log in the folder supervisor.logs.dir',
  allow: 'who may ask is said by balancer.host, auth.apiKeys and a firewall',
  deny: 'who may ask is said by balancer.host, auth.apiKeys and a firewall',
  proxy_cache: 'set cache.enabled',
  auth_basic: 'use auth.apiKeys',
  limit_req: rate,
  limit_req_zone: rate,
  limit_conn: concurrency,
  limit_conn_zone: concurrency,
}

/** `ports` are those of the imported programs: only what nginx sends to them counts, whatever else it serves. */
export function readNginx(
  text: string,
  file: string,
  find: FindIncluded,
  ports: ReadonlySet<number>,
  notes: Notes,
): TheirBalancer {
  const directives = expandIncludes(parseNginx(text, file), find, notes)
  const { routes, upstreams, others } = findRoutes(directives, ports)
  const main = routes.find(({ server }) => listensOf(server).some(isPlain)) ?? routes[0]
  const weights = new Map<number, number>()
  const slots = new Map<number, number>()
  const settings: Record<string, unknown> = {}
  // The upstream behind the port is read last: what holds for all instances is what it says.
  for (const upstream of upstreams.toSorted((a, b) => Number(isOf(a, main)) - Number(isOf(b, main)))) {
    readUpstream(upstream, { weights, slots, settings }, notes)
  }
  if (main) {
    const servers = new Set(routes.map(({ server }) => server))
    Object.assign(settings, listenOf([...servers], notes), limitsOf(main, notes))
    noteDifferences(main, routes, notes)
  } else notes.hint(`${file} sends nothing to the imported programs: no port and no limit is taken from it.`)
  checkDirectives(directives, others, notes)
  return { settings, weights, slots }
}

const isOf = (upstream: Directive, route: Route | undefined): boolean => upstream.args[0] === route?.upstream

interface Target {
  weights: Map<number, number>
  slots: Map<number, number>
  settings: Record<string, unknown>
}

function readUpstream({ block }: Directive, { weights, slots, settings }: Target, notes: Notes): void {
  for (const { name, args, line, path } of block ?? []) {
    if (name === 'least_conn') settings['policy'] = 'least-outstanding'
    if (name === 'random') settings['policy'] = 'power-of-two'
    if (name !== 'server') continue
    const [address = '', ...parameters] = args
    const port = localPort(address)
    if (port === null) {
      notes.unmapped('nginx', line, `server ${address}`, whyNotOurs(address), path)
      continue
    }
    weights.set(port, 1)
    for (const parameter of parameters) {
      const [key = '', value = ''] = parameter.split('=')
      const whole = (max: number, use: (value: number) => void): void => {
        const { value: number, problem } = boundedInteger(value, 1, max)
        if (problem !== null) notes.unmapped('nginx', line, `server ${address} ${parameter}`, problem, path)
        if (number !== null) use(number)
      }
      if (key === 'weight') whole(1_000, (weight) => weights.set(port, weight))
      // 0 is no limit, as is our default.
      else if (key === 'max_conns' && value === '0') continue
      else if (key === 'max_conns') whole(256, (count) => slots.set(port, count))
      else if (key === 'max_fails' && value !== '0')
        whole(Number.MAX_SAFE_INTEGER, (fall) => (settings['health'] = { fall }))
      else {
        const reason = {
          fail_timeout: 'probes, not a time, bring an instance back',
          backup: 'every instance gets work; take it out of the group if it must not',
          down: 'every instance gets work; `asr-cluster stop ID` takes one out',
          max_fails: 'probes always count; how many may fail is balancer.health.fall',
          slow_start: 'an instance that is back gets its share little by little anyway',
        }[key]
        notes.unmapped(
          'nginx',
          line,
          `server ${address} ${parameter}`,
          reason ?? 'nothing like it here',
          path,
        )
      }
    }
  }
}

function whyNotOurs(address: string): string {
  if (address.startsWith('unix:')) return 'a Unix socket: instances have ports'
  if (/^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(address)) {
    return 'without a port nginx takes 80, which no imported program has'
  }
  return 'not on this machine: `asr-balancer --upstream URL` serves upstreams of other machines'
}

const listensOf = ({ block }: Directive): Directive[] => (block ?? []).filter(({ name }) => name === 'listen')

const isPlain = ({ args }: Directive): boolean => !args.includes('ssl') && !args.includes('quic')

/** Where clients come. Without keys only loopback may be bound, so that is what is written. */
function listenOf(servers: readonly Directive[], notes: Notes): Record<string, unknown> {
  const listens = servers.flatMap(listensOf)
  const plain = listens.filter(isPlain)
  for (const { args, line, path } of listens.filter((each) => !plain.includes(each))) {
    const message = 'there is one port: set balancer.tls where it is to speak HTTPS'
    notes.unmapped('nginx', line, `listen ${args.join(' ')}`, message, path)
  }
  const [used] = plain.filter(({ args }) => portOf(args[0] ?? '') !== undefined)
  for (const { args, line, path } of plain.filter((each) => each !== used)) {
    const [address = ''] = args
    if (portOf(address) === undefined) {
      notes.unmapped('nginx', line, `listen ${address}`, 'no TCP port: clients come to balancer.port', path)
      continue
    }
    const isSamePort = portOf(address) === portOf(used?.args[0] ?? '')
    if (!isSamePort)
      notes.unmapped('nginx', line, `listen ${address}`, 'there is one port; the first is used', path)
  }
  const address = used?.args[0]
  const port = address === undefined ? undefined : portOf(address)
  if (address === undefined || port === undefined) return {}
  const host = hostOf(address)
  if (!/^(127\.[\d.]+|::1|localhost)$/.test(host)) {
    const isWildcard = ['', '*', '0.0.0.0', '::'].includes(host)
    notes.hint(
      `nginx listened on ${isWildcard ? 'every address' : host} (listen ${address}). Written is 127.0.0.1: for others ` +
        `set balancer.host: ${isWildcard ? '0.0.0.0' : host}, and auth.apiKeys or start with --insecure.`,
    )
  }
  if (port < 1024) {
    notes.hint(`Port ${port} needs root or CAP_NET_BIND_SERVICE; any port from 1024 does not.`)
  }
  return { port }
}

/** Empty for a port alone. */
function hostOf(address: string): string {
  return (/^\d+$/.test(address) ? '' : address.replace(/:\d+$/, '')).replaceAll(/[[\]]/g, '')
}

function portOf(address: string): number | undefined {
  const match = /^(?:.*:)?(\d+)$/.exec(address)
  return match ? Number(match[1]) : /^[\d.]+$|^\[/.test(address) ? 80 : undefined
}

function limitsOf(route: Route, notes: Notes): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const convert = (name: string, to: (text: string) => string | null): string | undefined => {
    const directive = resolveDirective(route, name)
    if (!directive) return undefined
    const text = directive.args[0] ?? ''
    const value = /^0\w*$/.test(text) ? null : to(text)
    if (value !== null) return value
    const reason = text.startsWith('0') ? 'a limit is needed here; the default is used' : 'not understood'
    notes.unmapped('nginx', directive.line, `${name} ${text}`, reason, directive.path)
    return undefined
  }
  const body = convert('client_max_body_size', nginxSize)
  if (body) result['maxBodySize'] = body
  const timeouts = {
    connect: convert('proxy_connect_timeout', nginxDuration),
    response: convert('proxy_read_timeout', nginxDuration),
    body: convert('client_body_timeout', nginxDuration),
  }
  const given = Object.fromEntries(Object.entries(timeouts).filter(([, value]) => value !== undefined))
  if (Object.keys(given).length > 0) result['timeouts'] = given
  const tries = resolveDirective(route, 'proxy_next_upstream_tries')
  if (tries) {
    const text = tries.args[0] ?? ''
    // Theirs takes 0 for any number.
    const { value, problem } = boundedInteger(text === '0' ? '10' : text, 1, 10)
    if (problem !== null) notes.unmapped('nginx', tries.line, `${tries.name} ${text}`, problem, tries.path)
    if (value !== null) result['retry'] = { attempts: value }
  }
  return result
}

const limits = [
  'client_max_body_size',
  'client_body_timeout',
  'proxy_connect_timeout',
  'proxy_read_timeout',
  'proxy_next_upstream_tries',
]

/** Limits that nginx has for each location, and this balancer once. */
function noteDifferences(main: Route, routes: readonly Route[], notes: Notes): void {
  for (const name of limits) {
    const used = resolveDirective(main, name)
    const found = routes.flatMap((route) => resolveDirective(route, name) ?? [])
    for (const { args, line, path } of new Set(found.filter((each) => each.args[0] !== used?.args[0]))) {
      const instead = used ? `that of ${used.path ? `${used.path}:` : 'line '}${used.line}` : 'the default'
      notes.unmapped('nginx', line, [name, ...args].join(' '), `one holds for all requests: ${instead}`, path)
    }
  }
}

/** What this balancer answers. */
const ownRoutes =
  /^\/(asr|v1(\/(audio(\/transcriptions)?|models|realtime)?)?|health|healthz|readyz|metrics)?\/?$/

function checkDirectives(directives: readonly Directive[], others: Routes['others'], notes: Notes): void {
  for (const each of directives) {
    const { name, args, line, path, block } = each
    const whyNot = others.get(each) ?? (alwaysSo.has(name) ? null : (reasons[name] ?? 'nothing like it here'))
    if (whyNot !== null) {
      notes.unmapped('nginx', line, [name, ...args].join(' '), whyNot, path)
      continue
    }
    if (name === 'location' && !ownRoutes.test(args.at(-1) ?? '')) {
      notes.unmapped(
        'nginx',
        line,
        `location ${args.join(' ')}`,
        'the routes are fixed: see docs/api.md',
        path,
      )
    }
    if (block && name !== 'types') checkDirectives(block, others, notes)
  }
}
