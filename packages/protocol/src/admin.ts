import { z } from 'zod'

/** A request to change the cluster, or to follow its logs, carries the admin key here; never in a cookie. */
export const adminKeyHeader = 'x-asr-admin-key'

export const adminPathPrefix = '/api/admin/'

const ids = z.array(z.string().max(100)).max(64)

/** What the dashboard may ask of the supervisor: less than the control socket allows. */
export const adminRequestSchema = z.discriminatedUnion('operation', [
  z.object({ operation: z.literal('scale'), targets: z.array(z.string().max(100)).min(1).max(64) }),
  z.object({ operation: z.literal('start'), ids: ids.default([]) }),
  /** Drains, then stops. */
  z.object({ operation: z.literal('stop'), ids: ids.min(1) }),
  z.object({ operation: z.literal('restart'), ids: ids.default([]), rolling: z.boolean().default(true) }),
  /** The last lines, and every further one until the client goes away. */
  z.object({
    operation: z.literal('logs'),
    id: z.string().max(100).nullable().default(null),
    lines: z.int().min(0).max(2_000).default(200),
  }),
])
export type AdminRequest = z.infer<typeof adminRequestSchema>

/** balancer → supervisor. The supervisor judges the key, so that a new one counts at once and the balancer knows none. */
export const adminAskSchema = z.object({
  type: z.literal('admin'),
  exchange: z.string(),
  /** As `hashApiKey` writes it. */
  keyHash: z.string(),
  /** Undefined: only the key is to be judged, before the body is read; answered by the verdict alone. */
  request: adminRequestSchema.optional(),
})

/** balancer → supervisor: nobody listens to the answer any more. What has begun goes on; logs end. */
export const adminGoneSchema = z.object({ type: z.literal('admin-gone'), exchange: z.string() })

/** supervisor → balancer. The first one has the verdict, the last one `end`. */
export const adminAnswerSchema = z.object({
  type: z.literal('admin-answer'),
  exchange: z.string(),
  /** `disabled`: no admin key is configured. */
  verdict: z.enum(['accepted', 'wrong-key', 'disabled']),
  /** JSON lines for the client, as the control socket writes them. */
  lines: z.array(z.unknown()),
  end: z.boolean(),
})
export type AdminAsk = z.infer<typeof adminAskSchema>
export type AdminGone = z.infer<typeof adminGoneSchema>
export type AdminAnswer = z.infer<typeof adminAnswerSchema>
