import { z } from 'zod'

const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
const sizeUnits = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

/** `"500ms" | "5s" | "2m" | "1h"` → milliseconds. Throws RangeError with the accepted form. */
export function parseDurationMs(text: string): number {
  return parseQuantity(text, durationUnits, 'a duration such as 500ms, 5s, 2m or 1h')
}

/** `"512KB" | "100MB" | "1GiB"` → bytes. Throws RangeError with the accepted form. */
export function parseSizeBytes(text: string): number {
  return Math.floor(parseQuantity(text, sizeUnits, 'a size such as 512KB, 100MB or 1GiB'))
}

function parseQuantity(text: string, units: Record<string, number>, expected: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text)
  const factor = match ? units[match[2] as string] : undefined
  if (!match || factor === undefined) throw new RangeError(`expected ${expected}, got \`${text}\``)
  return Number(match[1]) * factor
}

function quantity(parse: (text: string) => number, pattern: RegExp) {
  return z
    .string()
    .regex(pattern)
    .transform((text, context) => {
      try {
        return parse(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message })
        return z.NEVER
      }
    })
}

/** Schema of a duration with its unit; the parsed value is in milliseconds. */
export const durationSchema = quantity(parseDurationMs, /^\d+(\.\d+)? ?(ms|s|m|h)$/)
/** Schema of a size with its unit; the parsed value is in bytes. */
export const sizeSchema = quantity(parseSizeBytes, /^\d+(\.\d+)? ?(B|KB|MB|GB|KiB|MiB|GiB)$/)
/** Schema of a percentage such as `20%`; the parsed value is a ratio. */
export const percentSchema = z
  .string()
  .regex(/^\d+(\.\d+)?%$/)
  .transform((text) => Number.parseFloat(text) / 100)
