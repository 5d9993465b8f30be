import { startDeadline } from '@asr-cluster/protocol'
import { Agent, request, type Dispatcher } from 'undici'
import { z } from 'zod'
import type { Random } from '../../policy/index.js'
import type { ApiAccess } from './api-access.js'
import { ApiError, apiErrorOf } from './api-error.js'
import { sliceListSchema, watchEventSchema, type EndpointSlice, type WatchEvent } from './endpoint-slice.js'
import { linesOf } from './lines.js'

/** EndpointSlices of one Service. */
export interface SliceQuery {
  namespace: string
  service: string
}

export interface SliceApi {
  list(query: SliceQuery, signal: AbortSignal): Promise<{ slices: EndpointSlice[]; resourceVersion: string }>
  /** Resolves when the server ends the watch, as it does every few minutes. Rejects with ApiError or an error of the network. */
  watch(
    query: SliceQuery,
    resourceVersion: string,
    signal: AbortSignal,
    onEvent: (event: WatchEvent) => void,
  ): Promise<void>
}

const pageSize = 500
/** A list is slow while an API server starts or many watchers come back at once. */
const listTimeoutMs = 60_000
/** Bookmarks come about once a minute; a watch without a byte for longer has lost its server, and is begun anew. */
const watchSilenceMs = 90_000
/** The server ends a watch after a time between these, so that watchers do not come back together. */
const watchSeconds = { least: 240, spread: 240 }
const maxAnswerBytes = 64 * 1024 * 1024

export class ApiClient implements SliceApi {
  readonly #access: ApiAccess
  readonly #random: Random
  /** One for each set of certificates. */
  #agent: { of: string; agent: Agent } | undefined

  constructor(access: ApiAccess, random: Random) {
    this.#access = access
    this.#random = random
  }

  async list(query: SliceQuery, signal: AbortSignal): ReturnType<SliceApi['list']> {
    const slices: EndpointSlice[] = []
    let next: string | undefined
    for (;;) {
      const parameters = { limit: String(pageSize), ...(next ? { continue: next } : {}) }
      const text = await this.#page(query, parameters, signal)
      const { metadata, items } = sliceListSchema.parse(JSON.parse(text))
      slices.push(...(items ?? []))
      next = metadata.continue
      if (!next) return { slices, resourceVersion: metadata.resourceVersion }
    }
  }

  async #page(query: SliceQuery, parameters: Record<string, string>, signal: AbortSignal): Promise<string> {
    const deadline = startDeadline(listTimeoutMs, signal)
    try {
      return await textOf(await this.#get(query, parameters, deadline.signal, listTimeoutMs))
    } finally {
      deadline.clear()
    }
  }

  async watch(
    query: SliceQuery,
    resourceVersion: string,
    signal: AbortSignal,
    onEvent: (event: WatchEvent) => void,
  ): Promise<void> {
    const seconds = watchSeconds.least + Math.floor(this.#random() * watchSeconds.spread)
    const parameters = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(seconds),
    }
    const body = await this.#get(query, parameters, signal, watchSilenceMs)
    for await (const line of linesOf(body)) {
      const event = watchEventSchema.safeParse(JSON.parse(line))
      if (!event.success) throw new Error(`unknown event: ${z.prettifyError(event.error)}`)
      if (event.data.type === 'ERROR') throw new ApiError(event.data.object)
      onEvent(event.data)
    }
  }

  async #get(
    { namespace, service }: SliceQuery,
    parameters: Record<string, string>,
    signal: AbortSignal,
    silenceMs: number,
  ): Promise<Dispatcher.ResponseData['body']> {
    const url = new URL(
      `${this.#access.server}/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`,
    )
    const all = { labelSelector: `kubernetes.io/service-name=${service}`, ...parameters }
    url.search = new URLSearchParams(all).toString()
    const authorization = await this.#access.authorization()
    const { statusCode, headers, body } = await request(url, {
      dispatcher: this.#dispatcher(),
      headers: { accept: 'application/json', ...(authorization ? { authorization } : {}) },
      signal,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    })
    if (statusCode === 200) return body
    throw apiErrorOf(statusCode, headers['retry-after'], await textOf(body))
  }

  #dispatcher(): Agent {
    const tls = this.#access.tls()
    const of = JSON.stringify(tls)
    if (this.#agent?.of !== of) {
      // The watch that runs keeps its connection; the next one trusts the new certificates.
      void this.#agent?.agent.close()
      this.#agent = { of, agent: new Agent({ connect: { ...tls, timeout: 10_000 } }) }
    }
    return this.#agent.agent
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
