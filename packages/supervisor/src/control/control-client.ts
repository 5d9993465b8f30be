import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { clusterStatusSchema } from '@asr-cluster/protocol'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { Client } from 'undici'
import { controlSocketPath, listControlPorts } from './state-dir.js'

export class NotRunningError extends Error {
  override name = 'NotRunningError'
}

/** A line of a streamed answer: text while it goes on, and at the end how it went. */
export type ControlLine = { line: string } | { done: true; ok: boolean; message?: string; data?: unknown }

/** True if somebody accepts connections on the socket; a file alone may be left over from a crash. */
export function isSocketAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * Port of the cluster to talk to: the one asked for, else 7860, else the only one that runs.
 * Throws NotRunningError.
 */
export async function findCluster(
  dir: string,
  port: number | undefined,
  defaultPort: number,
): Promise<number> {
  const wanted = port ?? defaultPort
  if (await isSocketAlive(controlSocketPath(dir, wanted))) return wanted
  if (port === undefined) {
    const alive: number[] = []
    for (const other of listControlPorts(dir)) {
      if (await isSocketAlive(controlSocketPath(dir, other))) alive.push(other)
    }
    if (alive.length === 1) return alive[0] as number
    if (alive.length > 1) {
      throw new NotRunningError(`several clusters run (ports ${alive.join(', ')}); choose one with --port`)
    }
  }
  throw new NotRunningError(`no cluster runs on port ${wanted}; start one with \`asr-cluster up\``)
}

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
