import { z } from 'zod'

const condition = z.boolean().nullish()

const metadataSchema = z.object({
  name: z.string().default(''),
  resourceVersion: z.string().optional(),
  labels: z.record(z.string(), z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
})

/** The part of `discovery.k8s.io/v1` EndpointSlice that counts here. */
export const endpointSliceSchema = z.object({
  metadata: metadataSchema,
  addressType: z.string(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z.object({ ready: condition, serving: condition, terminating: condition }).nullish(),
        targetRef: z
          .object({ kind: z.string().optional(), name: z.string().optional(), uid: z.string().optional() })
          .nullish(),
      }),
    )
    .nullish(),
  ports: z
    .array(
      z.object({
        name: z.string().nullish(),
        port: z.int().nullish(),
        protocol: z.string().nullish(),
      }),
    )
    .nullish(),
})
export type EndpointSlice = z.infer<typeof endpointSliceSchema>
export type Endpoint = NonNullable<EndpointSlice['endpoints']>[number]

export const sliceListSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(endpointSliceSchema).nullable(),
})

/** `metav1.Status`, the answer to a request that failed and the object of an ERROR event. */
export const statusSchema = z.object({
  code: z.int().optional(),
  message: z.string().optional(),
  reason: z.string().optional(),
})

const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) })

/** One line of a watch. */
export const watchEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED']), object: endpointSliceSchema }),
  z.object({ type: z.literal('BOOKMARK'), object: bookmarkSchema }),
  z.object({ type: z.literal('ERROR'), object: statusSchema }),
])
export type WatchEvent = z.infer<typeof watchEventSchema>
