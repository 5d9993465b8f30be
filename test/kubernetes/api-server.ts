import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { makeCertificate } from './certificate.js'
import type { SliceObject } from './slices.js'

interface Change {
  version: number
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: SliceObject
}

interface Watcher {
  response: ServerResponse
  selector: string
}

const path = /^\/apis\/discovery\.k8s\.io\/v1\/namespaces\/default\/endpointslices(?:\/([^/]+))?$/

/**
 * The part of an API server that serves EndpointSlices of the namespace `default`, over HTTPS, with the protocol of the
 * real one: versions, pages, chunked watches, bookmarks, expired versions, errors as `Status`; and with its bad days.
 */
export class FakeApiServer implements AsyncDisposable {
  token = 'first-token'
  /** How an expired version is told: as the answer, or as an event of a watch that began well. Real servers do both. */
  expiry: 'answer' | 'event' = 'event'
  /** A list is answered when this is fulfilled. */
  beforeList: Promise<void> = Promise.resolve()
  pageSize = Number.POSITIVE_INFINITY
  readonly requests: string[] = []
  readonly kubeconfig: string
  readonly #server: Server
  readonly #dir: string
  readonly #sockets = new Set<Socket>()
  readonly #slices = new Map<string, SliceObject>()
  readonly #watchers = new Set<Watcher>()
  #history: Change[] = []
  #version = 100
  #oldest = 0
  #port = 0

  private constructor() {
    const { cert, key } = makeCertificate()
    this.#dir = mkdtempSync(join(tmpdir(), 'asr-test-api-server-'))
    this.kubeconfig = join(this.#dir, 'kubeconfig')
    writeFileSync(join(this.#dir, 'ca.crt'), cert)
    this.#server = createServer({ cert, key }, (request, response) => void this.#handle(request, response))
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => undefined)
    })
  }

  static async start(): Promise<FakeApiServer> {
    const server = new FakeApiServer()
    await server.return()
    server.writeToken(server.token)
    const config = {
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'default' } }],
      clusters: [
        {
          name: 'test',
          cluster: { server: `https://127.0.0.1:${server.#port}`, 'certificate-authority': 'ca.crt' },
        },
      ],
      users: [{ name: 'test', user: { tokenFile: 'token' } }],
    }
    writeFileSync(server.kubeconfig, stringify(config))
    return server
  }

  /** What the kubelet does when it rotates a service account's token. */
  writeToken(token: string): void {
    writeFileSync(join(this.#dir, 'token'), `${token}\n`)
  }

  get watchers(): number {
    return this.#watchers.size
  }

  count(pattern: RegExp): number {
    return this.requests.filter((request) => pattern.test(request)).length
  }

  /** Forgets everything before now, as etcd's compaction does every five minutes. */
  compact(): void {
    this.#version += 1
    this.#oldest = this.#version
    this.#history = []
  }

  bookmark(): void {
    this.#version += 1
    const object = { kind: 'EndpointSlice', metadata: { resourceVersion: String(this.#version) } }
    for (const { response } of this.#watchers) send(response, 'BOOKMARK', object)
  }

  /** An ERROR event to all watches. */
  sendError(code: number, message: string): void {
    for (const { response } of this.#watchers) send(response, 'ERROR', status(code, message))
  }

  /** Ends all watches: well, as after `timeoutSeconds`, or in the middle of a line. */
  endWatches(how: 'well' | 'mid-line'): void {
    for (const { response } of this.#watchers) {
      if (how === 'well') {
        response.end()
        continue
      }
      const line = '{"type":"DELETED","object":{"kind":"EndpointSlice","metadata":{"name":"'
      response.write(line, () => response.socket?.destroy())
    }
    this.#watchers.clear()
  }

  /** Goes away with all connections; `return` brings it back at the same address. */
  async leave(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    this.#watchers.clear()
    await closed
  }

  async return(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Changes what is stored without telling the watches, as if that had happened while they were away. */
  apply(type: Change['type'], slice: SliceObject): SliceObject {
    this.#version += 1
    const object = structuredClone(slice)
    object.metadata.resourceVersion = String(this.#version)
    object.metadata.namespace = 'default'
    if (type === 'DELETED') this.#slices.delete(object.metadata.name)
    else this.#slices.set(object.metadata.name, object)
    this.#history.push({ version: this.#version, type, object })
    return object
  }

  put(slice: SliceObject): void {
    const type = this.#slices.has(slice.metadata.name) ? 'MODIFIED' : 'ADDED'
    this.#tell(type, this.apply(type, slice))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.leave()
    rmSync(this.#dir, { recursive: true })
  }

  #tell(type: Change['type'], object: SliceObject): void {
    for (const { response, selector } of this.#watchers) {
      if (matches(object, selector)) send(response, type, object)
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'https://localhost')
    const isWatch = url.searchParams.get('watch') === '1'
    const name = path.exec(url.pathname)?.[1]
    const version = url.searchParams.get('resourceVersion')
    this.requests.push(`${isWatch ? 'WATCH' : request.method}${isWatch ? ` ${version}` : ''}`)
    if (request.headers.authorization !== `Bearer ${this.token}`) return fail(response, 401, 'Unauthorized')
    if (!path.test(url.pathname)) return fail(response, 403, `cannot list ${url.pathname}`)
    if (request.method !== 'GET') return this.#write(request, response, name)
    const selector = url.searchParams.get('labelSelector') ?? ''
    if (isWatch) return this.#watch(response, selector, Number(version))
    await this.beforeList
    const all = [...this.#slices.values()].filter((slice) => matches(slice, selector))
    const from = Number(url.searchParams.get('continue') ?? 0)
    const end = from + Math.min(this.pageSize, Number(url.searchParams.get('limit') ?? 500))
    answer(response, 200, {
      kind: 'EndpointSliceList',
      metadata: {
        resourceVersion: String(this.#version),
        ...(end < all.length ? { continue: String(end) } : {}),
      },
      items: all.slice(from, end),
    })
  }

  #watch(response: ServerResponse, selector: string, version: number): void {
    const gone = status(410, `too old resource version: ${version} (${this.#oldest})`)
    const expired = version < this.#oldest
    if (expired && this.expiry === 'answer') return answer(response, 410, gone)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (expired) {
      send(response, 'ERROR', gone)
      response.end()
      return
    }
    const watcher = { response, selector }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
    for (const { version: changedAt, type, object } of this.#history) {
      if (changedAt > version && matches(object, selector)) send(response, type, object)
    }
  }

  async #write(request: IncomingMessage, response: ServerResponse, name: string | undefined): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.method === 'DELETE') {
      const present = this.#slices.get(name ?? '')
      if (!present) return fail(response, 404, `endpointslices "${name}" not found`)
      this.#tell('DELETED', this.apply('DELETED', present))
      return answer(response, 200, status(200, 'deleted'))
    }
    const slice = JSON.parse(Buffer.concat(chunks).toString()) as SliceObject
    const isThere = this.#slices.has(slice.metadata.name)
    if (request.method === 'POST' && isThere) return fail(response, 409, 'already exists')
    if (request.method === 'PUT' && !isThere) return fail(response, 404, 'not found')
    this.put(slice)
    answer(response, request.method === 'POST' ? 201 : 200, this.#slices.get(slice.metadata.name))
  }
}

function status(code: number, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message }
}

function fail(response: ServerResponse, code: number, message: string): void {
  answer(response, code, status(code, message))
}

function answer(response: ServerResponse, code: number, value: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

/** In three pieces, because a real connection cuts lines anywhere. */
function send(response: ServerResponse, type: string, object: unknown): void {
  const line = Buffer.from(`${JSON.stringify({ type, object })}\n`)
  const [first, second] = [Math.floor(line.length / 3), Math.floor((2 * line.length) / 3)]
  for (const piece of [line.subarray(0, first), line.subarray(first, second), line.subarray(second)]) {
    response.write(piece)
  }
}

function matches({ metadata }: SliceObject, selector: string): boolean {
  const [key = '', value] = selector.split('=')
  return metadata.labels[key] === value
}
