import { z } from 'zod'
import { adminAnswerSchema, adminAskSchema, adminGoneSchema } from './admin.js'
import { healthPathSchema } from './health-path.js'
import { clusterStatusSchema } from './status.js'

/** With the value `low` a request never waits in the queue, and gives its slot to the first one that does. */
export const priorityHeader = 'x-asr-priority'

/** Names of the environment variables by which the supervisor talks to a child before IPC is up. */
export const environment = {
  /** Secret of this life of the instance; `/health` tells it to probes as `identity`. */
  identity: 'ASR_INSTANCE_IDENTITY',
  /** Pid of the supervisor; a child whose parent is another one exits at once. */
  supervisorPid: 'ASR_SUPERVISOR_PID',
  /** Hashes of the API keys that the balancer lets in, separated by commas; never on a command line. */
  apiKeyHashes: 'ASR_API_KEY_HASHES',
  /** Address of the Redis server for answers, which may hold a password. */
  cacheRedisUrl: 'ASR_CACHE_REDIS_URL',
  /** Id of the cluster; marks processes of ours in /proc. */
  clusterId: 'ASR_CLUSTER_ID',
} as const

/** Exit codes with a meaning to the supervisor. */
export const exitCodes = {
  /** The listening port is taken. */
  portInUse: 75,
  /** The GPU is missing, lost or too small. */
  device: 76,
  /** Wrong configuration or model: never retried (sysexits EX_CONFIG). */
  configuration: 78,
} as const

/** instance → supervisor. */
export const instanceMessageSchema = z.discriminatedUnion('type', [
  /** Sent while the model compiles and loads, at most a few times a second; extends the start deadline. */
  z.object({
    type: z.literal('progress'),
    stage: z.enum(['compile', 'load', 'warmup']),
    /** 0 to 1 of this stage. */
    ratio: z.number(),
    detail: z.string(),
  }),
  /** The model is loaded and the port answers. */
  z.object({ type: z.literal('ready'), port: z.int(), slots: z.int(), model: z.string() }),
  /** Last words before a non-zero exit. */
  z.object({ type: z.literal('fatal'), code: z.string(), message: z.string() }),
])
export type InstanceMessage = z.infer<typeof instanceMessageSchema>

/** The balancer's view of one instance it may send to. */
export const memberSchema = z.object({
  /** Unique, for example `default-0`; the value of every `instance` label and of `x-asr-instance`. */
  id: z.string(),
  group: z.string(),
  /** Names by which clients may ask for this member's model in the `model` field. */
  models: z.array(z.string()),
  /** Changes with whatever may change its answers: the files of the model, its precision, its program. */
  revision: z.string().optional(),
  /** Base URL, for example `http://127.0.0.1:7861`. */
  url: z.string(),
  weight: z.int().min(1),
  /** Requests this member works on at once. */
  slots: z.int().min(1),
  /** A draining member gets no new request; those in flight go on. */
  draining: z.boolean(),
  /** Expected `identity` in `/health`; a different one means that somebody else answers on the port. */
  identity: z.string().optional(),
  /**
   * It was started by our supervisor: each of its answers shows the mark of its identity, from the first one on, and
   * without it somebody else answers. It may want the proof of `x-asr-caller` with each request.
   */
  marks: z.boolean().optional(),
  healthPath: healthPathSchema.optional(),
  /** True for our own asr-instance: it has `/metrics.json`. */
  native: z.boolean(),
})
export type Member = z.infer<typeof memberSchema>

/** Names by which clients may ask for a group, whether it has a member at the moment or not. */
export const servedGroupSchema = z.object({ group: z.string(), models: z.array(z.string()) })
export type ServedGroup = z.infer<typeof servedGroupSchema>

/** supervisor → balancer. The member set is whole each time: what is not in it is removed. */
export const balancerCommandSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('members'),
    members: z.array(memberSchema),
    /** All groups there are; a request for any other is refused. Not given, none is forgotten. */
    groups: z.array(servedGroupSchema).optional(),
  }),
  /** Supervisor's own series for the cluster's `/metrics`, as prom-client's `getMetricsAsJSON()`. */
  z.object({ type: z.literal('metrics'), metrics: z.array(z.unknown()) }),
  /** For `GET /api/status`: sent soon after a change and at least once a second. */
  z.object({ type: z.literal('status'), status: clusterStatusSchema }),
  /** From now on these keys are let in and no others, on open connections too; answered with `api-keys-taken`. */
  z.object({ type: z.literal('api-keys'), hashes: z.array(z.string()), revision: z.int() }),
  /** Read the files of the certificate again; answered with `certificate-taken`. */
  z.object({ type: z.literal('certificate'), revision: z.int() }),
  adminAnswerSchema,
  /** Stop accepting work: `/readyz` turns 503 at once; answers `drained` once nothing is in flight or queued. */
  z.object({
    type: z.literal('shutdown'),
    /**
     * Another balancer listens on the same socket already: stop accepting at once, and go on with the open connections,
     * each of which ends with its next answer or its keep-alive timeout; `drained` once there is none. Without it the
     * balancer goes on accepting, to answer `/readyz` with 503 and new work with 503 `draining`; after a hand-over it
     * closes the idle connections.
     */
    handOver: z.boolean().optional(),
  }),
])
export type BalancerCommand = z.infer<typeof balancerCommandSchema>

export const memberStatsSchema = z.object({
  id: z.string(),
  inFlight: z.int(),
  /** `up` may get requests; `ejected` was removed on evidence; `draining` as told. */
  state: z.enum(['up', 'ejected', 'draining', 'probing']),
  reason: z.string().optional(),
})

/** balancer → supervisor. `stats` comes once a second, and at once when a member becomes idle or changes its state. */
export const balancerMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening'), port: z.int() }),
  z.object({
    type: z.literal('stats'),
    policy: z.string(),
    queueDepth: z.int(),
    inFlight: z.int(),
    members: z.array(memberStatsSchema),
  }),
  adminAskSchema,
  adminGoneSchema,
  z.object({ type: z.literal('drained') }),
  /** The keys of this revision are the ones that count. */
  z.object({ type: z.literal('api-keys-taken'), revision: z.int() }),
  /** The files of the certificate were read. With `reason` they cannot be used, and the certificate before stays. */
  z.object({
    type: z.literal('certificate-taken'),
    revision: z.int(),
    isNew: z.boolean(),
    reason: z.string().optional(),
  }),
])
export type BalancerMessage = z.infer<typeof balancerMessageSchema>
export type BalancerStats = Extract<BalancerMessage, { type: 'stats' }>
export type MemberStats = z.infer<typeof memberStatsSchema>

/** Answer of an instance's `GET /health` (HTTP 200 when ready, 503 with `status: "starting" | "draining"` otherwise). */
export const healthSchema = z.object({
  status: z.enum(['healthy', 'starting', 'draining']),
  timestamp: z.string(),
  instance: z.string(),
  identity: z.string().optional(),
  model: z.string().optional(),
  slots: z.int().optional(),
  inFlight: z.int().optional(),
  /** Grows whenever the engine finishes a step: an instance that is busy and moving is not dead. */
  progress: z.int().optional(),
})
export type Health = z.infer<typeof healthSchema>
