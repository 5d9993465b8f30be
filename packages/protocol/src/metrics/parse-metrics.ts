export interface Sample {
  labels: Readonly<Record<string, string>>
  value: number
}

/** Samples by the name of their series, `_bucket`, `_sum` and `_count` included. */
export type Metrics = ReadonlyMap<string, readonly Sample[]>

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?$/
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)/g

/** Reads Prometheus' text format; lines that are not of it are left out. */
export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Sample[]>()
  for (const raw of text.split('\n')) {
    const match = raw.startsWith('#') ? null : line.exec(raw)
    if (!match) continue
    const [, name = '', labels = '', value = ''] = match
    const samples = metrics.get(name) ?? []
    samples.push({ labels: parseLabels(labels), value: parseValue(value) })
    metrics.set(name, samples)
  }
  return metrics
}

/** Sum of the samples that have all of these labels; 0 if there is none. */
export function sumOf(metrics: Metrics, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels)
  return (metrics.get(name) ?? [])
    .filter((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, sample) => sum + sample.value, 0)
}

function parseLabels(text: string): Record<string, string> {
  const unescaped = (value: string): string =>
    value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
  return Object.fromEntries(
    [...text.matchAll(label)].map(([, name = '', value = '']) => [name, unescaped(value)]),
  )
}

function parseValue(text: string): number {
  if (text === '+Inf') return Infinity
  return text === '-Inf' ? -Infinity : Number(text)
}
