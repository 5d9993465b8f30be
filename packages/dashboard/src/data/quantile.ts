/** One bucket of a histogram: how many observations were at most `le`. */
export interface Bucket {
  le: number
  count: number
}

/**
 * Estimates a quantile as Prometheus' `histogram_quantile` does: linear within the bucket, and the last finite bound
 * for what lies beyond it. Null when nothing was observed. `buckets` are cumulative and sorted by `le`.
 */
export function histogramQuantile(quantile: number, buckets: readonly Bucket[]): number | null {
  const total = buckets.at(-1)?.count ?? 0
  if (total <= 0) return null
  const rank = quantile * total
  let lower: Bucket = { le: 0, count: 0 }
  for (const bucket of buckets) {
    if (bucket.count >= rank) {
      if (!Number.isFinite(bucket.le)) return lower.le
      const inside = bucket.count - lower.count
      return inside <= 0 ? bucket.le : lower.le + ((bucket.le - lower.le) * (rank - lower.count)) / inside
    }
    lower = bucket
  }
  return lower.le
}
