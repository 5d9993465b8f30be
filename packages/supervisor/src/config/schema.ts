import {
  apiKeyEntrySchema,
  apiKeySchema,
  balancerConfigSchema,
  durationSchema,
  healthPathSchema,
  sizeSchema,
  deviceChoices,
  quantizations,
} from '@asr-cluster/protocol'
import { z } from 'zod'

const autoOr = (schema: z.ZodInt) => z.union([z.literal('auto'), schema])

export const groupConfigSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected lower-case letters, digits and dashes, a letter first')
    .default('default')
    .describe('Instances are called NAME-0, NAME-1, …'),
  model: z
    .string()
    .min(1)
    .default('models/demo')
    .describe(
      'Folder of a Qwen3-ASR checkpoint: absolute, or relative to this file, the working folder or the installation.',
    ),
  aliases: z
    .array(z.string().min(1))
    .default([])
    .describe('Further names by which clients may ask for this model, for example `whisper-1`.'),
  quantization: z
    .enum([...quantizations, 'auto'])
    .default('auto')
    .describe('Precision of the compiled weights: fp16 is for GPUs.'),
  device: z
    .enum(deviceChoices)
    .default('auto')
    .describe('Where instances compute; `auto` is WebGPU where a GPU is assigned and its driver is there.'),
  instances: autoOr(z.int().min(0).max(64))
    .default(2)
    .describe('How many processes; `auto` is one per GPU (two of a small model), else one per 2 cores.'),
  basePort: z
    .int()
    .min(0)
    .max(65535)
    .default(7861)
    .describe('Port of the first instance, the next one has the next port; 0 takes any free ones.'),
  weights: z
    .array(z.int().min(1).max(1000))
    .min(1)
    .default([1])
    .describe('Share of the requests per instance, repeated when there are more instances.'),
  gpus: z
    .union([z.enum(['auto', 'none']), z.array(z.union([z.int().min(0), z.string().min(1)])).min(1)])
    .default('auto')
    .describe('`auto` spreads by free memory, `none` is CPU only, or a list of indices or UUIDs.'),
  gpuMemory: z
    .union([z.literal(['auto', 0]), sizeSchema])
    // A default that comes before a transform would be missing in the JSON schema.
    .prefault('auto')
    .describe(
      'What one instance takes on its GPU; it starts once so much is free. `auto` reckons by the model, with `command` not at all; 0 never waits.',
    ),
  slots: autoOr(z.int().min(1).max(256))
    .default('auto')
    .describe('Requests that one instance decodes together; `auto` lets it decide (1 with `command`).'),
  threads: autoOr(z.int().min(1).max(1024))
    .default('auto')
    .describe('Inference threads of one instance; `auto` shares the cores among the instances.'),
  cpus: z
    .enum(['shared', 'exclusive'])
    .default('shared')
    .describe('Without a GPU: `exclusive` pins each instance to as many cores as it has threads (taskset).'),
  maxMemory: sizeSchema
    .optional()
    .describe(
      'An instance with more memory of its own (without the mapped weights) is drained and started again; none for no limit.',
    ),
  maxAge: durationSchema
    .optional()
    .describe('An instance older than this (± 10 %) is drained and started again; none for no limit.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.union([z.string(), z.number()]))
    .default({})
    .describe('Environment variables of the instances.'),
  command: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Program and arguments of any other server, instead of asr-instance; {port}, {gpu}, {id} and {model} are filled in.',
    ),
  healthPath: healthPathSchema
    .default('/health')
    .describe('With `command`: what answers 2xx once the server is ready.'),
})

export const supervisorConfigSchema = z.strictObject({
  startTimeout: durationSchema
    .prefault('120s')
    .describe('For an instance to become ready; every sign of progress starts it anew.'),
  stopTimeout: durationSchema.prefault('10s').describe('From SIGTERM to SIGKILL.'),
  drainTimeout: durationSchema.prefault('300s').describe('For the running requests to end before a stop.'),
  startRetries: z
    .int()
    .min(0)
    .max(100)
    .default(3)
    .describe('Starts tried again after the first failed one; then `failed`.'),
  backoff: z
    .strictObject({
      base: durationSchema.prefault('1s').describe('Wait before the first retry; it doubles each time.'),
      cap: durationSchema.prefault('60s').describe('Longest wait.'),
    })
    .prefault({}),
  liveness: z
    .strictObject({
      interval: durationSchema.prefault('5s').describe('Between two probes of a ready instance.'),
      timeout: durationSchema.prefault('10s').describe('For a probe to be answered.'),
      fall: z.int().min(1).default(3).describe('Missed probes in a row after which it is replaced.'),
    })
    .prefault({}),
  user: z
    .string()
    .min(1)
    .optional()
    .describe('As root: the user that the programs run as. None: whoever runs the supervisor.'),
  allowUsers: z
    .union([z.literal('any'), z.array(z.string().min(1))])
    .default([])
    .describe(
      'Linux: further users of this machine, by name or number, whom instances answer on their own ports besides root and the users of the supervisor and the programs; `any` for all.',
    ),
  logs: z
    .strictObject({
      dir: z
        .string()
        .min(1)
        .default('logs')
        .describe('Folder of the log files, relative to the working folder.'),
      maxBytes: sizeSchema.prefault('10MB').describe('A log file is rotated before it grows beyond this.'),
      backups: z.int().min(0).max(1000).default(5).describe('Rotated files kept per program.'),
    })
    .prefault({}),
})

export const autoscaleConfigSchema = z.strictObject({
  enabled: z.boolean().default(false).describe('Start and stop instances of each group with the load.'),
  min: z.int().min(1).max(64).default(2).describe('Never fewer instances in a group.'),
  max: z.int().min(1).max(64).default(8).describe('Never more instances in a group.'),
  targetUtilization: z.number().gt(0).max(1).default(0.8).describe('Share of the slots that should be busy.'),
  signals: z
    .array(z.enum(['queue', 'cpu', 'gpu']))
    .min(1)
    .default(['queue', 'cpu', 'gpu'])
    .describe(
      'What is looked at; the one that asks for most counts. `queue` is requests in flight and waiting.',
    ),
  upAfter: durationSchema.prefault('10s').describe('How long more must have been needed.'),
  downAfter: durationSchema.prefault('300s').describe('How long fewer must have been enough.'),
})

export const cacheConfigSchema = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe('The balancer keeps answers and gives them again to requests that are the same in every byte.'),
  maxBytes: sizeSchema.prefault('256MB').describe('Memory for answers; the least recently used go first.'),
  dir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder for more answers, which outlive a restart; relative to this file. None for memory only.',
    ),
  maxDiskBytes: sizeSchema.prefault('1GB').describe('Size of that folder; the least recently used go first.'),
  redis: z
    .string()
    .regex(/^(rediss?|unix):\/\//, 'expected redis://, rediss:// or unix://')
    .optional()
    .describe(
      'A Redis server through which several balancers share answers, for example `redis://host:6379`.',
    ),
})

export const evalConfigSchema = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe('Measure the word error rate again and again; its requests give way to all others.'),
  manifest: z
    .string()
    .min(1)
    .default('models/demo/eval/manifest.jsonl')
    .describe('Recordings with what they say, as for `asr-cluster eval`; found as `groups[].model` is.'),
  clips: z.int().min(1).optional().describe('Only so many lines of it; none for all.'),
  interval: durationSchema.prefault('6h').describe('From the end of one measurement to the next one.'),
})

export const authConfigSchema = z.strictObject({
  apiKeys: z
    .array(apiKeyEntrySchema)
    .default([])
    .describe(
      'Keys that clients may send (`Authorization: Bearer KEY`), as they are or as sha256:HEX; with limits as `{ key, name, requestsPerMinute, concurrency }`.',
    ),
  apiKeysFile: z
    .string()
    .min(1)
    .optional()
    .describe('More keys, one a line, from a file that is read again on `reload`.'),
  adminKeys: z
    .array(apiKeySchema)
    .default([])
    .describe(
      'Keys that may scale, start, stop and restart instances and read the logs in the dashboard; none for nobody.',
    ),
  adminKeysFile: z
    .string()
    .min(1)
    .optional()
    .describe('More admin keys, one a line; read again on `reload`.'),
})

export const clusterConfigSchema = z.strictObject({
  balancer: balancerConfigSchema.prefault({}),
  groups: z.array(groupConfigSchema).min(1).prefault([{}]),
  supervisor: supervisorConfigSchema.prefault({}),
  autoscale: autoscaleConfigSchema.prefault({}),
  cache: cacheConfigSchema.prefault({}),
  eval: evalConfigSchema.prefault({}),
  auth: authConfigSchema.prefault({}),
})

/** All defaults filled in; durations in milliseconds, sizes in bytes. */
export type ClusterConfig = z.output<typeof clusterConfigSchema>
export type ClusterConfigInput = z.input<typeof clusterConfigSchema>
export type GroupConfig = z.output<typeof groupConfigSchema>
export type SupervisorConfig = z.output<typeof supervisorConfigSchema>

/** What a balancer is started with. API keys are hashes. */
export type BalancerSettings = Pick<ClusterConfig, 'balancer' | 'cache' | 'auth'>
