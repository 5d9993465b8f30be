import { get } from 'node:http'
import { get as getByTls } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { probeHeader, startDeadline } from '@asr-cluster/protocol'

export class ProbeTimeoutError extends Error {
  override name = 'ProbeTimeoutError'
}

export interface HttpAnswer {
  status: number
  body: string
}

/**
 * One GET on a connection of its own: a probe must show whether the server takes a new one. Rejects when there is no
 * whole answer within `timeoutMs`. Any certificate will do: it is our own server on our own socket, and no secret is sent.
 */
export function httpGet(
  url: string,
  timeoutMs: number,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const limit = startDeadline(timeoutMs, signal)
    const fail = (error: NodeJS.ErrnoException): void => {
      limit.clear()
      if (limit.signal.aborted)
        reject(new ProbeTimeoutError(`no answer within ${timeoutMs} ms`, { cause: error }))
      else reject(new Error(describe(error), { cause: error }))
    }
    const options = { agent: false, signal: limit.signal, headers: { [probeHeader]: '1', ...headers } }
    const onResponse = (response: IncomingMessage): void => {
      text(response).then((body) => {
        limit.clear()
        resolve({ status: response.statusCode ?? 0, body })
      }, fail)
    }
    const request = url.startsWith('https:')
      ? getByTls(url, { ...options, rejectUnauthorized: false }, onResponse)
      : get(url, options, onResponse)
    request.on('error', fail)
  })
}

function describe(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'nothing listens on its port'
  return error.message
}
