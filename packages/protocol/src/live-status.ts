import { z } from 'zod'
import { memberStatsSchema } from './messages.js'
import { clusterStatusSchema } from './status.js'

/** Body of the balancer's `GET /api/status`: what it knows itself, and what the supervisor told it last. */
export const liveStatusSchema = z.object({
  balancer: z.object({
    pid: z.int(),
    policy: z.string(),
    queueDepth: z.int(),
    queueMax: z.int(),
    inFlight: z.int(),
    draining: z.boolean(),
    members: z.array(
      memberStatsSchema.extend({
        group: z.string(),
        models: z.array(z.string()),
        weight: z.int(),
        slots: z.int(),
      }),
    ),
  }),
  /** Null for a balancer without a supervisor. */
  cluster: clusterStatusSchema.nullable(),
  /** How long ago the supervisor sent `cluster`. */
  clusterAgeMs: z.number().nullable(),
})
export type LiveStatus = z.infer<typeof liveStatusSchema>
