import { systemClock } from '../../packages/balancer/src/clock.js'
import { createSource } from '../../packages/balancer/src/upstreams/create-source.js'
import { systemSurroundings } from '../../packages/balancer/src/upstreams/kubernetes/api-access.js'
import { parseUpstreams } from '../../packages/balancer/src/upstreams/parse-upstream.js'
import { createSystemResolver } from '../../packages/balancer/src/upstreams/system-resolver.js'
import { waitFor } from '../harness/index.js'

export interface Followed extends Disposable {
  failures: string[]
  /** The members as `ID URL`, those that drain with ` draining`; undefined before the first answer. */
  members: () => string[] | undefined
  shows: (members: string[]) => Promise<unknown>
}

/** Follows an upstream as the balancer does. */
export function follow(kubeconfig: string, upstream: string): Followed {
  let members: string[] | undefined
  const failures: string[] = []
  const [parsed] = parseUpstreams([upstream])
  if (!parsed) throw new Error('no upstream')
  const source = createSource(parsed, {
    resolver: createSystemResolver(),
    clock: systemClock,
    random: Math.random,
    intervalMs: 10_000,
    surroundings: { ...systemSurroundings, env: { ...process.env, KUBECONFIG: kubeconfig } },
  })
  void source.start({
    onMembers(found) {
      members = found.map(({ member, slotsFromHealth }) =>
        [
          member.id,
          member.url,
          member.weight === 1 ? '' : ` weight ${member.weight}`,
          slotsFromHealth ? '' : ` slots ${member.slots}`,
          member.draining ? ' draining' : '',
        ]
          .join(' ')
          .replaceAll(/ +/g, ' ')
          .trim(),
      )
    },
    onFailure: (error) => failures.push(error.message),
  })
  return {
    failures,
    members: () => members,
    shows: (wanted) =>
      waitFor(() => JSON.stringify(members) === JSON.stringify(wanted), {
        what: `the members ${wanted.join(', ')}`,
        context: () => `they are ${JSON.stringify(members)}; failures: ${failures.join('; ')}`,
      }),
    [Symbol.dispose]: () => source.stop(),
  }
}
