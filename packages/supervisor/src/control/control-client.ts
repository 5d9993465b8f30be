import { createInterface } from 'node:readline'
import { clusterStatusSchema } from '@asr-cluster/protocol'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { Client } from 'undici'

/** A line of a streamed answer: text while it goes on, and at the end how it went. */
export type ControlLine = { line: string } | { done: true; ok: boolean; message?: string; data?: unknown }

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
