import { AsrError, type ErrorCode } from '@asr-cluster/protocol'
import { z } from 'zod'

export const responseFormats = ['json', 'text', 'srt', 'verbose_json', 'vtt'] as const
export type ResponseFormat = (typeof responseFormats)[number]

const language = z
  .string()
  .default('auto')
  .describe('`auto`, a language name such as `English`, or a code such as `en` or `en-US`.')
const prompt = z
  .string()
  .default('')
  .describe('Context for the model: names, terms, a topic. It is not an instruction.')
const temperature = z
  .string()
  // Also as JavaScript and Python write small numbers, `1e-7` and `1e-05`.
  .regex(/^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/, 'expected a number from 0 to 1')
  .transform(Number)
  .refine((value) => value <= 1, 'expected a number from 0 to 1')
  .prefault('0')
  .describe('0 (the default) always takes the likeliest token.')
const booleans = ['true', 'false', '1', '0'] as const

/** Text fields of `POST /asr`. */
export const asrForm = z.object({ language, prompt, temperature })

/** Text fields of `POST /v1/audio/transcriptions` that have an effect. */
export const transcriptionForm = z.object({
  model: z.string().default('').describe('A name that GET /v1/models lists; may be left out.'),
  language,
  prompt,
  response_format: z.enum(responseFormats).default('json').describe('Shape of the answer.'),
  temperature,
  'timestamp_granularities[]': z
    .array(z.enum(['segment', 'word']))
    .default([])
    .describe('Only `segment`, which verbose_json always has; `word` is refused.'),
  stream: z
    .string()
    .toLowerCase()
    .pipe(z.enum(booleans))
    .transform((value) => value === 'true' || value === '1')
    .prefault('false')
    .describe('Server-sent events while the model decodes; with json and text.')
    // The schema of what comes in would only say that it is text.
    .meta({ enum: booleans }),
})

/** What a client may call the fields of the schema. */
export function fieldNames({ shape }: z.ZodObject): string[] {
  return Object.keys(shape).flatMap((key) => (key.endsWith('[]') ? [key, key.slice(0, -2)] : [key]))
}

type Fields = ReadonlyMap<string, readonly string[]>

/** Fields of the schema as the schema wants them; the names of all others. */
function pick(shape: Record<string, z.ZodType>, fields: Fields): { values: object; unknown: string[] } {
  const values = new Map<string, unknown>()
  const unknown: string[] = []
  for (const [name, all] of fields) {
    const key = name in shape ? name : `${name}[]`
    if (!Object.hasOwn(shape, key)) unknown.push(name)
    else if (key.endsWith('[]')) {
      const given = all.filter((value) => value !== '')
      values.set(key, [...((values.get(key) ?? []) as string[]), ...given])
    } else if (all.length > 1) {
      throw new AsrError('invalid_request', `The field \`${name}\` was sent ${all.length} times.`, {
        param: name,
      })
    } else if (all[0] !== '') values.set(key, all[0])
  }
  return { values: Object.fromEntries(values), unknown }
}

/**
 * Checks the text fields of a request. An empty field counts as absent. Throws AsrError invalid_request or
 * unsupported_value, with the field in `param`. `unknown` names the fields that the schema does not have.
 */
export function parseForm<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  fields: Fields,
): { form: z.output<z.ZodObject<Shape>>; unknown: string[] } {
  const { values, unknown } = pick(schema.shape as unknown as Record<string, z.ZodType>, fields)
  const result = schema.safeParse(values)
  if (result.success) return { form: result.data, unknown }
  const [issue] = result.error.issues
  const param = String(issue?.path[0] ?? '')
  const code: ErrorCode = issue?.code === 'invalid_value' ? 'unsupported_value' : 'invalid_request'
  const given = (fields.get(param) ?? []).join(', ').slice(0, 100)
  throw new AsrError(code, `The field \`${param}\` has the value \`${given}\`: ${issue?.message}.`, { param })
}
