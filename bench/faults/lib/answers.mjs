import { quantile } from '../../balancer/lib/load.mjs'

/** When requests came, how long their answers took, and of which kind they were: 13 bytes each, for hours of load. */
export class Answers {
  length = 0
  /** Of the requests that were not answered right at the first try. */
  others = []
  #at
  #latencies
  #isDemo

  constructor(most) {
    this.#at = new Float64Array(most)
    this.#latencies = new Float32Array(most)
    this.#isDemo = new Uint8Array(most)
  }

  add = (record) => {
    this.#at[this.length] = record.at
    this.#latencies[this.length] = record.latencyMs
    this.#isDemo[this.length] = record.isDemo ? 1 : 0
    this.length += 1
    if (record.outcome !== 'right' || record.breaks.length > 0) this.others.push(record)
  }

  /**
   * p99 in milliseconds of the requests that came in each part of `partMs` from `begunAt` (epoch) on, as [part, p99].
   * `isDemo`: only of one kind.
   */
  p99s(begunAt, partMs, isDemo) {
    const parts = []
    for (let i = 0; i < this.length; i += 1) {
      if (isDemo !== undefined && (this.#isDemo[i] === 1) !== isDemo) continue
      const part = Math.max(0, Math.floor((this.#at[i] - begunAt) / partMs))
      parts[part] ??= []
      parts[part].push(this.#latencies[i])
    }
    const p99 = (list) =>
      quantile(
        list.sort((a, b) => a - b),
        0.99,
      )
    return parts.map((list, part) => [part, p99(list)]).filter(Boolean)
  }
}
