import type { MetricJson } from './merge.js'

type Labels = Record<string, string>

/**
 * A counter that is cheap to increase. prom-client hashes the labels anew each time; five of its calls would be a tenth of
 * what a short request costs here.
 */
export class CounterSeries {
  readonly #name: string
  readonly #help: string
  readonly #labelNames: readonly string[]
  /** Label values joined by a character that none of them has. */
  readonly #counts = new Map<string, number>()

  constructor(name: string, help: string, labelNames: readonly string[]) {
    this.#name = name
    this.#help = help
    this.#labelNames = labelNames
    // A counter without labels is there from the start.
    if (labelNames.length === 0) this.#counts.set('', 0)
  }

  /** Values in the order of the names. */
  increase(first = '', second?: string): void {
    const key = second === undefined ? first : `${first}\n${second}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  /** Drops all counts whose first label has this value. */
  forget(first: string): void {
    for (const key of this.#counts.keys())
      if (key === first || key.startsWith(`${first}\n`)) this.#counts.delete(key)
  }

  toJson(): MetricJson {
    const values = [...this.#counts].map(([key, value]) => ({ value, labels: this.#labelsOf(key) }))
    return { name: this.#name, help: this.#help, type: 'counter', values }
  }

  #labelsOf(key: string): Labels {
    const parts = key.split('\n')
    return Object.fromEntries(this.#labelNames.map((name, index) => [name, parts[index] as string]))
  }
}

interface Buckets {
  /** Observations up to each bound, and beyond the last; not cumulative. */
  counts: number[]
  sum: number
}

/** A histogram with at most one label, as cheap. */
export class HistogramSeries {
  readonly #name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  readonly #labelName: string | undefined
  readonly #byLabel = new Map<string, Buckets>()

  constructor(name: string, help: string, bounds: readonly number[], labelName?: string) {
    this.#name = name
    this.#help = help
    this.#bounds = bounds
    this.#labelName = labelName
    // A histogram without labels is there from the start, with zeros.
    if (labelName === undefined) this.#bucketsOf('')
  }

  observe(value: number, label = ''): void {
    const buckets = this.#bucketsOf(label)
    let index = 0
    while (index < this.#bounds.length && value > (this.#bounds[index] as number)) index += 1
    buckets.counts[index] = (buckets.counts[index] as number) + 1
    buckets.sum += value
  }

  forget(label: string): void {
    this.#byLabel.delete(label)
  }

  toJson(): MetricJson {
    const values = [...this.#byLabel].flatMap(([label, buckets]) => this.#samples(label, buckets))
    return { name: this.#name, help: this.#help, type: 'histogram', values }
  }

  #bucketsOf(label: string): Buckets {
    let buckets = this.#byLabel.get(label)
    if (!buckets) {
      buckets = { counts: Array.from({ length: this.#bounds.length + 1 }, () => 0), sum: 0 }
      this.#byLabel.set(label, buckets)
    }
    return buckets
  }

  #samples(label: string, { counts, sum }: Buckets): MetricJson['values'] {
    const labels: Labels = this.#labelName === undefined ? {} : { [this.#labelName]: label }
    let total = 0
    const buckets = counts.map((count, index) => {
      total += count
      const le = index < this.#bounds.length ? String(this.#bounds[index]) : '+Inf'
      return { value: total, labels: { le, ...labels }, metricName: `${this.#name}_bucket` }
    })
    return [
      ...buckets,
      { value: sum, labels, metricName: `${this.#name}_sum` },
      { value: total, labels, metricName: `${this.#name}_count` },
    ]
  }
}
