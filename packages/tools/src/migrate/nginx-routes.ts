import type { Directive } from './parse-nginx.js'

/** A way through nginx to imported programs: from a `server` to a `proxy_pass`. */
export interface Route {
  server: Directive
  /** What is in the blocks on the way, from the outermost inwards. */
  blocks: readonly (readonly Directive[])[]
  /** Null where `proxy_pass` has the address of a program. */
  upstream: string | null
}

export interface Routes {
  routes: Route[]
  /** Those with a server that is an imported program. */
  upstreams: Directive[]
  /** Blocks that do not lead to the programs, with the reason. */
  others: ReadonlyMap<Directive, string>
}

/** `ports` are those of the imported programs. A file may be a whole configuration, or a part that `http` includes. */
export function findRoutes(directives: readonly Directive[], ports: ReadonlySet<number>): Routes {
  const others = new Map<Directive, string>()
  const http = directives.flatMap((each) => {
    if (each.name === 'stream' || each.name === 'mail') others.set(each, 'only what is in http is read')
    return each.name === 'http' ? (each.block ?? []) : [each]
  })
  const upstreams: Directive[] = []
  for (const each of http.filter(({ name }) => name === 'upstream')) {
    const isOurs = (each.block ?? []).some(
      ({ name, args }) => name === 'server' && ports.has(localPort(args[0] ?? '') ?? 0),
    )
    if (isOurs) upstreams.push(each)
    else others.set(each, 'none of its servers is an imported program')
  }
  const names = new Set(upstreams.map(({ args }) => args[0] ?? ''))
  const routes: Route[] = []
  for (const server of http.filter(({ name, block }) => name === 'server' && block !== null)) {
    const found = proxied([http, server.block ?? []]).flatMap(({ blocks, to }): Route[] => {
      if (names.has(to)) return [{ server, blocks, upstream: to }]
      return ports.has(localPort(to) ?? 0) ? [{ server, blocks, upstream: null }] : []
    })
    if (found.length === 0) others.set(server, 'no proxy_pass in it names an imported program')
    routes.push(...found)
  }
  return { routes, upstreams, others }
}

/** Every `proxy_pass` in the innermost of the blocks, with the host (and port) that it names. */
function proxied(blocks: Route['blocks']): { blocks: Route['blocks']; to: string }[] {
  return (blocks.at(-1) ?? []).flatMap(({ name, args, block }) => [
    ...(name === 'proxy_pass' ? [{ blocks, to: /^https?:\/\/([^/]+)/.exec(args[0] ?? '')?.[1] ?? '' }] : []),
    ...(block ? proxied([...blocks, block]) : []),
  ])
}

/** The directive that holds at the end of a route: an inner block's stands for an outer one's. */
export function resolveDirective({ blocks }: Route, name: string): Directive | undefined {
  const inner = blocks.findLast((block) => block.some((each) => each.name === name))
  return inner?.findLast((each) => each.name === name)
}

/** The port of an address on this machine. */
export function localPort(address: string): number | null {
  const local = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+)$/.exec(address)
  return local ? Number(local[1]) : null
}
