import { Agent, request } from 'undici'
import { apiAccess, systemSurroundings } from '../../packages/balancer/src/upstreams/kubernetes/api-access.js'
import type { SliceObject } from './slices.js'

/** Writes EndpointSlices to whatever API server a kubeconfig names. */
export class SliceWriter implements AsyncDisposable {
  readonly #written = new Set<string>()
  readonly #access
  readonly #agent: Agent

  constructor(kubeconfig: string) {
    this.#access = apiAccess({ ...systemSurroundings, env: { ...process.env, KUBECONFIG: kubeconfig } })
    this.#agent = new Agent({ connect: { ...this.#access.tls() } })
  }

  async put(slice: SliceObject): Promise<void> {
    const { name } = slice.metadata
    const isThere = this.#written.has(name)
    this.#written.add(name)
    await (isThere ? this.#send('PUT', `/${name}`, slice) : this.#send('POST', '', slice))
  }

  async remove(name: string): Promise<void> {
    this.#written.delete(name)
    await this.#send('DELETE', `/${name}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#written) await this.remove(name).catch(() => undefined)
    await this.#agent.close()
  }

  async #send(method: 'POST' | 'PUT' | 'DELETE', suffix: string, body?: object): Promise<void> {
    const { server, namespace } = this.#access
    const authorization = await this.#access.authorization()
    const answer = await request(
      `${server}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices${suffix}`,
      {
        method,
        dispatcher: this.#agent,
        headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
        body: body ? JSON.stringify(body) : null,
      },
    )
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${method} ${answer.statusCode}: ${text}`)
  }
}
