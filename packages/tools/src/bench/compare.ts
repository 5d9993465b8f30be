import { z } from 'zod'
import { formatTable } from '../common/format.js'
import { ToolError } from '../common/tool-error.js'
import { describePlan } from './format-result.js'
import type { BenchResult } from './summarise.js'

/** What a comparison needs of an earlier result; the rest is passed through. */
const storedSchema = z.looseObject({
  version: z.literal(1),
  at: z.string(),
  audio: z.object({ path: z.string(), clips: z.int() }),
  plan: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('closed'),
      concurrency: z.number(),
      requests: z.number().nullable(),
      durationMs: z.number().nullable(),
    }),
    z.object({
      kind: z.literal('open'),
      ratePerSecond: z.number(),
      durationMs: z.number(),
      arrivals: z.enum(['poisson', 'constant']),
      maxInFlight: z.number(),
    }),
  ]),
  successRate: z.number(),
  requestsPerSecond: z.number(),
  audioSecondsPerSecond: z.number(),
  latencyMs: z
    .object({ mean: z.number(), p50: z.number(), p90: z.number(), p99: z.number(), max: z.number() })
    .nullable(),
})
export type StoredResult = z.infer<typeof storedSchema>

/** Reads what `bench --json` wrote. Throws ToolError. */
export function parseResult(text: string, label: string): StoredResult {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = null
  }
  const parsed = storedSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new ToolError('no_result', `${label} is no result of \`asr-cluster bench --json FILE\``)
}

/** A table of before and now, and what makes the two hard to compare. */
export function formatComparison(before: StoredResult, now: BenchResult): string[] {
  const rows = [
    row('requests/s', before.requestsPerSecond, now.requestsPerSecond, 1),
    row('audio s/s', before.audioSecondsPerSecond, now.audioSecondsPerSecond, 1),
    row('success rate', before.successRate * 100, now.successRate * 100, 2),
    ...(['mean', 'p50', 'p90', 'p99'] as const).map((name) =>
      row(`${name} ms`, before.latencyMs?.[name], now.latencyMs?.[name], 1),
    ),
  ]
  const differences = [
    ...(describePlan(before.plan) === describePlan(now.plan)
      ? []
      : [`the load: ${describePlan(before.plan)}`]),
    ...(before.audio.path === now.audio.path && before.audio.clips === now.audio.clips
      ? []
      : [`the recordings: ${before.audio.clips} of ${before.audio.path}`]),
  ]
  return [
    `compared with ${before.at}`,
    ...formatTable(['', 'BEFORE', 'NOW', 'CHANGE'], rows, new Set([1, 2, 3])),
    ...differences.map((difference) => `not the same then was ${difference}`),
  ]
}

function row(name: string, before: number | undefined, now: number | undefined, digits: number): string[] {
  const cell = (value: number | undefined): string => value?.toFixed(digits) ?? '-'
  if (before === undefined || now === undefined || before === 0) return [name, cell(before), cell(now), '-']
  const change = (now / before - 1) * 100
  return [name, cell(before), cell(now), `${change >= 0 ? '+' : ''}${change.toFixed(1)} %`]
}
