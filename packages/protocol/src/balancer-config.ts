import { z } from 'zod'
import { healthPathSchema } from './health-path.js'
import { durationSchema, percentSchema, sizeSchema } from './units.js'

export const policyNames = ['weighted-round-robin', 'least-outstanding', 'power-of-two'] as const

/** The `balancer:` section of the configuration, also the options of a balancer that runs alone. */
export const balancerConfigSchema = z.strictObject({
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on. Anything but loopback needs auth.apiKeys or --insecure.'),
  port: z
    .int()
    .min(0)
    .max(65535)
    .default(7860)
    .describe('The one port that clients and Prometheus use; 0 picks a free one.'),
  tls: z
    .strictObject({
      cert: z
        .string()
        .min(1)
        .describe(
          'PEM file with the certificate and its chain, relative to this file; read again when it changes.',
        ),
      key: z.string().min(1).describe('PEM file with its private key, without a passphrase.'),
    })
    .optional()
    .describe('HTTPS instead of HTTP.'),
  policy: z
    .enum(policyNames)
    .default('weighted-round-robin')
    .describe('How an instance is chosen among those with a free slot.'),
  maxBodySize: sizeSchema
    .prefault('100MB')
    .describe('A larger upload is refused with 413 before its body is read.'),
  maxConnectionsPerAddress: z
    .int()
    .min(1)
    .optional()
    .describe('Open connections of one address (IPv6: one /64); more are reset. None for no limit.'),
  perAddress: z
    .strictObject({
      requestsPerMinute: z
        .int()
        .min(1)
        .optional()
        .describe(
          'Transcriptions and WebSockets that one address (IPv6: one /64) may begin; more get 429. None for no limit.',
        ),
      concurrency: z
        .int()
        .min(1)
        .optional()
        .describe('So many of them at once; more get 429. None for no limit.'),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      connect: durationSchema.prefault('5s').describe('To open a connection to an instance.'),
      body: durationSchema.prefault('300s').describe('For the client to send its whole body.'),
      response: durationSchema
        .prefault('300s')
        .describe('From the whole body sent to the first byte of the answer.'),
    })
    .prefault({}),
  queue: z
    .strictObject({
      max: z.int().min(0).default(1024).describe('Requests that may wait for a slot; more get 429.'),
      timeout: durationSchema.prefault('60s').describe('Longest wait for a slot; then 503.'),
    })
    .prefault({}),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(10).default(2).describe('How many instances one request may be sent to.'),
      budget: percentSchema.prefault('20%').describe('Share of the requests in flight that may be retries.'),
    })
    .prefault({}),
  health: z
    .strictObject({
      interval: durationSchema.prefault('2s').describe('Between two probes of an instance.'),
      timeout: durationSchema.prefault('2s').describe('For a probe to be answered.'),
      fall: z.int().min(1).default(3).describe('Missed probes in a row that remove an instance.'),
      rise: z.int().min(1).default(1).describe('Good probes in a row that bring it back.'),
      path: healthPathSchema.default('/health').describe('What is probed.'),
    })
    .prefault({}),
})

/** All defaults filled in; durations in milliseconds, sizes in bytes, percentages as ratios. */
export type BalancerConfig = z.output<typeof balancerConfigSchema>
export type BalancerConfigInput = z.input<typeof balancerConfigSchema>
