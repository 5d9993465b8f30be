import type { Backend } from '../backend/backend.js'

/** For so long after the last instance went, or the first ones came, new requests wait for one; later they are refused. */
const graceMs = 15_000

/**
 * Whether a group that nobody serves now may soon be served again. A name is that of a group or of a model; undefined
 * stands for any. What is kept of a name comes from the members, never from a client, and goes with its grace.
 */
export class Grace {
  #served: ReadonlySet<string | undefined> = new Set()
  readonly #endedMs = new Map<string | undefined, number>()
  #anyCameMs = Number.NEGATIVE_INFINITY

  /** Called with each change of the members and their states. */
  observe(backends: readonly Backend[], nowMs: number): void {
    const served = new Set<string | undefined>()
    for (const backend of backends) {
      if (!mayServeSoon(backend)) continue
      served.add(undefined).add(backend.member.group)
      for (const model of backend.member.models) served.add(model)
    }
    for (const [name, endedMs] of this.#endedMs) if (nowMs - endedMs > graceMs) this.#endedMs.delete(name)
    for (const name of this.#served) if (!served.has(name)) this.#endedMs.set(name, nowMs)
    this.#served = served
  }

  /** Whoever takes over from another balancer has seen none of them serve, and they may be about to. */
  firstCame(nowMs: number): void {
    this.#anyCameMs = nowMs
  }

  /** Whether requests for it still wait, although nobody serves it. */
  lasts(name: string | undefined, nowMs: number): boolean {
    const endedMs = this.#endedMs.get(name) ?? Number.NEGATIVE_INFINITY
    return nowMs - Math.max(endedMs, this.#anyCameMs) <= graceMs
  }
}

export function mayServeSoon(backend: Backend): boolean {
  return backend.isServing() || backend.state === 'probing'
}
