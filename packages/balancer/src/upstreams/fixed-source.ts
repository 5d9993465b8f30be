import type { MemberSource } from './source.js'
import type { Upstream } from './parse-upstream.js'

/** One address, for as long as it is configured. */
export function fixedSource({ member, slotsFromHealth }: Upstream): MemberSource {
  return {
    start(sink) {
      sink.onMembers([{ member, slotsFromHealth }])
      return Promise.resolve()
    },
    stop: () => undefined,
  }
}
