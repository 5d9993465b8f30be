import { createInterface } from 'node:readline'
import { clusterStatusSchema } from '@asr-cluster/protocol'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { Client } from 'undici'
import { z } from 'zod'

/** A line of a streamed answer: text while it goes on (`waits`: before it begins), and at the end how it went. */
export type ControlLine =
  { line: string; waits?: boolean } | { done: true; ok: boolean; message?: string; data?: unknown }

export interface BalancerAddress {
  /** Base URL at which this machine reaches it; null from a supervisor of an older version. */
  url: string | null
  /** PEM of the certificate that it presents; null without TLS. */
  certificate: string | null
}

const addressSchema = z.object({
  balancerUrl: z.string().optional(),
  certificate: z.string().nullable().optional(),
  error: z.string().optional(),
})

/** Talks to the supervisor of one cluster. */
export class ControlClient {
  private readonly client: Client

  constructor(socketPath: string) {
    // The long operations answer as they go on, and may have nothing to say for minutes.
    this.client = new Client('http://supervisor', { socketPath, headersTimeout: 10_000, bodyTimeout: 0 })
  }

  async status(): Promise<ClusterStatus> {
    const response = await this.client.request({ path: '/status', method: 'GET' })
    return clusterStatusSchema.parse(await response.body.json())
  }

  /** Where the balancer is, and how to know it. */
  async balancer(): Promise<BalancerAddress> {
    const response = await this.client.request({ path: '/certificate', method: 'GET' })
    // A supervisor of an older version has no such route, and no TLS.
    if (response.statusCode === 404) {
      await response.body.dump()
      return { url: null, certificate: null }
    }
    const answer = addressSchema.parse(await response.body.json())
    if (answer.certificate === undefined) throw new Error(`no certificate of the balancer: ${answer.error}`)
    return { url: answer.balancerUrl ?? null, certificate: answer.certificate }
  }

  /** Runs an operation, or reads a stream; yields each line as it comes. */
  async *stream(
    method: 'GET' | 'POST',
    path: string,
    body: object = {},
    signal?: AbortSignal,
  ): AsyncGenerator<unknown> {
    const response = await this.client.request({
      path,
      method,
      ...(method === 'POST'
        ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
        : {}),
      ...(signal ? { signal } : {}),
    })
    for await (const line of createInterface({ input: response.body, crlfDelay: Infinity })) {
      if (line !== '') yield JSON.parse(line) as unknown
    }
  }

  async close(): Promise<void> {
    await this.client.destroy()
  }
}
