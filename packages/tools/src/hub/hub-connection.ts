import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici'
import { ToolError, ToolUsageError } from '../common/tool-error.js'
import { refusal } from './refusal.js'
import { TransferError } from './transfer-error.js'

export interface HubOptions {
  /** `HF_ENDPOINT`: the hub or a mirror of it. */
  endpoint: string
  /** `HF_TOKEN`; sent to the endpoint and nowhere else. */
  token: string | undefined
  /** Longest silence of the other side. */
  stallTimeoutMs?: number
}

export interface HubResponse {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Dispatcher.ResponseData['body']
}

const maxRedirects = 10
const defaultEndpoint = 'https://huggingface.co'

/** Throws ToolUsageError for an endpoint that is no URL. */
export function hubOptions(env: NodeJS.ProcessEnv): HubOptions {
  const endpoint = env['HF_ENDPOINT'] || defaultEndpoint
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new ToolUsageError('HF_ENDPOINT is no http or https URL')
  }
  return { endpoint: endpoint.replace(/\/+$/, ''), token: env['HF_TOKEN'] || undefined }
}

/** A client of the Hugging Face hub protocol. */
export class HubConnection {
  readonly endpoint: string
  readonly #origin: string
  readonly #token: string | undefined
  readonly #agent: EnvHttpProxyAgent

  constructor({ endpoint, token, stallTimeoutMs = 30_000 }: HubOptions) {
    this.endpoint = endpoint
    this.#origin = new URL(endpoint).origin
    this.#token = token
    this.#agent = new EnvHttpProxyAgent({ headersTimeout: stallTimeoutMs, bodyTimeout: stallTimeoutMs })
  }

  /**
   * GET with redirects followed. Resolves for 200, 206 and 416; the body must be read or destroyed. Throws ToolError
   * for a refusal and TransferError for what may be gone later. Addresses that the hub redirects to are not named in
   * errors: they are signed.
   */
  async get(
    path: string,
    what: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HubResponse> {
    let url = new URL(`${this.endpoint}${path}`)
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const response = await this.#request(url, headers)
      const { statusCode: status, body } = response
      if (status === 200 || status === 206 || status === 416)
        return { status, headers: response.headers, body }
      await body.dump().catch(() => {})
      const { location } = response.headers
      if (status < 300 || status >= 400 || typeof location !== 'string') {
        throw refusal(status, response.headers, {
          what,
          endpoint: this.endpoint,
          hasToken: this.#token !== undefined,
        })
      }
      url = nextUrl(url, location)
    }
    throw new ToolError('hub_redirects', `${what}: ${this.endpoint} redirects in circles`)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #request(url: URL, headers: Readonly<Record<string, string>>): Promise<Dispatcher.ResponseData> {
    // Content servers are other hosts, and their addresses are signed: the token is not their business.
    const mayKnow = this.#token !== undefined && url.origin === this.#origin
    try {
      return await request(url, {
        dispatcher: this.#agent,
        headers: {
          'user-agent': 'asr-cluster',
          // Sizes and ranges are those of the file, not of a compressed form.
          'accept-encoding': 'identity',
          ...headers,
          ...(mayKnow ? { authorization: `Bearer ${this.#token}` } : {}),
        },
      })
    } catch (error) {
      throw connectionFault(error, url.host)
    }
  }
}

/** Throws ToolError for what is no web address, and for a step from https to http. */
export function nextUrl(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href))
    throw new ToolError('hub_redirects', `${from.host} redirects to no URL`)
  const next = new URL(location, from)
  const isHttp = next.protocol === 'https:' || next.protocol === 'http:'
  if (!isHttp || (from.protocol === 'https:' && next.protocol !== 'https:')) {
    throw new ToolError('hub_redirects', `${from.host} redirects from https to ${next.protocol}`)
  }
  return next
}

/** The network's fault; `host` only, because the rest of an address may hold a signature. */
export function connectionFault(error: unknown, host: string, madeProgress = false): TransferError {
  const code =
    (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.name : 'unknown fault')
  return new TransferError(`the connection to ${host} broke (${code})`, { madeProgress, cause: error })
}
