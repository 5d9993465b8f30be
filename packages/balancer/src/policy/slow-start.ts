const lowestShare = 0.1

/**
 * Share of its weight that a returning instance gets: linear from a tenth to all of it over the window, as Envoy's
 * slow start with aggression 1. `sinceMs` is the time since it returned.
 */
export function slowStartShare(sinceMs: number, windowMs: number): number {
  if (windowMs <= 0 || sinceMs >= windowMs) return 1
  return Math.max(lowestShare, sinceMs / windowMs)
}
