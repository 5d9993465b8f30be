import { z } from 'zod'

const labelsSchema = z.record(z.string(), z.union([z.string(), z.number()]))

/** One entry of prom-client's `getMetricsAsJSON()`. */
const metricSchema = z.object({
  name: z.string().regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
  values: z.array(
    z.object({
      value: z.number(),
      labels: labelsSchema,
      metricName: z.string().optional(),
    }),
  ),
})
export type MetricJson = z.infer<typeof metricSchema>

/** Keeps what has the right shape: a foreign or newer process must not spoil the whole scrape. */
export function parseMetrics(json: unknown): MetricJson[] {
  if (!Array.isArray(json)) return []
  return json.flatMap((entry) => {
    const parsed = metricSchema.safeParse(entry)
    return parsed.success ? [parsed.data] : []
  })
}

/**
 * Text exposition of several processes' metrics as one: each name once with its samples together, as Prometheus wants
 * it. Of the same series the first wins; a name whose type differs from the first one's is left out.
 */
export function renderMetrics(sources: readonly (readonly MetricJson[])[]): string {
  const merged = new Map<string, MetricJson>()
  for (const metric of sources.flat()) {
    const known = merged.get(metric.name)
    if (!known) merged.set(metric.name, { ...metric, values: [...metric.values] })
    else if (known.type === metric.type) known.values.push(...metric.values)
  }
  return [...merged.values()].map(renderMetric).join('')
}

function renderMetric(metric: MetricJson): string {
  const seen = new Set<string>()
  let text = `# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n`
  for (const sample of metric.values) {
    const series = `${sample.metricName ?? metric.name}${renderLabels(sample.labels)}`
    if (seen.has(series)) continue
    seen.add(series)
    text += `${series} ${renderNumber(sample.value)}\n`
  }
  return text
}

function renderLabels(labels: Record<string, string | number>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
