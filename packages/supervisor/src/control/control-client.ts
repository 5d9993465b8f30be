import { createInterface } from 'node:readline'
import { clusterStatusSchema } from '@asr-cluster/protocol'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { Client } from 'undici'
import type { Dispatcher } from 'undici'
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

  constructor(socketPath: string, answerTimeoutMs = 10_000) {
    // The long operations answer as they go on, and may have nothing to say for minutes.
    this.client = new Client('http://supervisor', {
      socketPath,
      connectTimeout: answerTimeoutMs,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: 0,
    })
  }

  private async request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
    try {
      return await this.client.request(options)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'UND_ERR_HEADERS_TIMEOUT' && code !== 'UND_ERR_CONNECT_TIMEOUT') throw error
      throw new Error(
        'the supervisor of the cluster is there and does not answer: its process may be stopped ' +
          '(`kill -CONT PID` lets it go on), or the machine has no time for it',
        { cause: error },
      )
    }
  }

  async status(): Promise<ClusterStatus> {
    const response = await this.request({ path: '/status', method: 'GET' })
    return clusterStatusSchema.parse(await response.body.json())
  }

  /** Where the balancer is, and how to know it. */
  async balancer(): Promise<BalancerAddress> {
    const response = await this.request({ path: '/certificate', method: 'GET' })
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
    const response = await this.request({
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
