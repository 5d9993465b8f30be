import type { Metrics, Sample } from './parse-metrics.js'

/** How much each sample of a counter grew. One that went down began anew with its process, and counts from nought. */
export function growthOf(before: Metrics, after: Metrics, name: string): Sample[] {
  const earlier = new Map((before.get(name) ?? []).map((sample) => [keyOf(sample), sample.value]))
  return (after.get(name) ?? []).map((sample) => {
    const last = earlier.get(keyOf(sample)) ?? 0
    return { labels: sample.labels, value: sample.value >= last ? sample.value - last : sample.value }
  })
}

function keyOf({ labels }: Sample): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Quantile of a histogram's `_bucket` samples, whatever their other labels, as Prometheus' `histogram_quantile`
 * estimates it: linear within the bucket, and the last finite bound for what lies beyond it. Null without observations.
 */
export function bucketQuantile(q: number, buckets: readonly Sample[]): number | null {
  const counts = new Map<number, number>()
  for (const { labels, value } of buckets) {
    const le = labels['le'] === '+Inf' ? Infinity : Number(labels['le'])
    counts.set(le, (counts.get(le) ?? 0) + value)
  }
  const sorted = [...counts].sort(([a], [b]) => a - b)
  const total = sorted.at(-1)?.[1] ?? 0
  if (total <= 0) return null
  const rank = q * total
  let [lowerBound, lowerCount] = [0, 0]
  for (const [bound, count] of sorted) {
    if (count >= rank) {
      if (bound === Infinity || count === lowerCount) return lowerBound
      return lowerBound + ((bound - lowerBound) * (rank - lowerCount)) / (count - lowerCount)
    }
    ;[lowerBound, lowerCount] = [bound, count]
  }
  return lowerBound
}
