import { z } from 'zod'

export const instanceStates = [
  'stopped',
  'starting',
  'ready',
  'draining',
  'stopping',
  'backoff',
  'failed',
] as const
export type InstanceState = (typeof instanceStates)[number]

/** Body of `asr-cluster status --json` and of the control socket's `GET /status`. */
export const clusterStatusSchema = z.object({
  supervisor: z.object({ pid: z.int(), version: z.string(), uptimeSeconds: z.number() }),
  balancer: z.object({
    pid: z.int().nullable(),
    port: z.int(),
    policy: z.string(),
    queueDepth: z.int(),
    inFlight: z.int(),
  }),
  /** What changes the cluster now, and what waits for that, in turn; absent where nobody knows, as for the dashboard. */
  operations: z
    .array(z.object({ name: z.string(), state: z.enum(['running', 'waiting']), seconds: z.number() }))
    .optional(),
  instances: z.array(
    z.object({
      id: z.string(),
      group: z.string(),
      model: z.string(),
      pid: z.int().nullable(),
      port: z.int(),
      gpu: z.string().nullable(),
      state: z.enum(instanceStates),
      weight: z.int(),
      slots: z.int().nullable(),
      inFlight: z.int(),
      restarts: z.int(),
      uptimeSeconds: z.number().nullable(),
      /** How the last life ended, with the last lines of its stderr; null if it never ended. */
      lastExit: z
        .object({
          at: z.string(),
          code: z.int().nullable(),
          signal: z.string().nullable(),
          reason: z.string(),
          stderr: z.array(z.string()),
        })
        .nullable(),
      /** Why its start waits, for example for memory of its GPU; absent while it does not. */
      waitingFor: z.string().optional(),
    }),
  ),
})
export type ClusterStatus = z.infer<typeof clusterStatusSchema>
