/** Latencies from the bound of the bucket before up to this one. */
export interface Bucket {
  upToMs: number
  count: number
}

/** Ten of these stand between one power of ten and the next: each bound is a quarter above the one before. */
const boundsPerDecade = 10
const widestBar = 40

/** Counts latencies in buckets whose bounds grow by a constant factor; empty ones between the first and the last included. */
export function histogramOf(latenciesMs: readonly number[]): Bucket[] {
  const counts = new Map<number, number>()
  for (const latency of latenciesMs) {
    const index = Math.ceil(Math.log10(Math.max(latency, 0.1)) * boundsPerDecade - 1e-9)
    counts.set(index, (counts.get(index) ?? 0) + 1)
  }
  if (counts.size === 0) return []
  const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())]
  return Array.from({ length: last - first + 1 }, (_, offset) => ({
    upToMs: 10 ** ((first + offset) / boundsPerDecade),
    count: counts.get(first + offset) ?? 0,
  }))
}

/** A line per bucket, with a bar as long as its share of the largest one. */
export function formatHistogram(buckets: readonly Bucket[]): string[] {
  const most = Math.max(...buckets.map(({ count }) => count))
  return buckets.map(({ upToMs, count }) => {
    const bar = '█'.repeat(Math.ceil((count / most) * widestBar))
    return `  ≤ ${bound(upToMs).padStart(8)}  ${String(count).padStart(6)}  ${bar}`.trimEnd()
  })
}

function bound(ms: number): string {
  if (ms < 1_000) return `${Number(ms.toPrecision(2))} ms`
  return `${Number((ms / 1_000).toPrecision(2))} s`
}
