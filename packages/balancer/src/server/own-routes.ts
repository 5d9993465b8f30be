import { AsrError, type LiveStatus } from '@asr-cluster/protocol'
import type { Reply } from './respond.js'

const json = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }

/** Alive as long as it can answer. */
export function healthz(): Reply {
  return { status: 200, headers: json, body: JSON.stringify({ status: 'ok' }) }
}

/** Throws AsrError while no request should be sent here. */
export function readyz(state: { draining: boolean; instancesUp: number }): Reply {
  if (state.draining) throw new AsrError('draining', 'The balancer is draining.', { retryAfterSeconds: 5 })
  if (state.instancesUp === 0) {
    throw new AsrError('no_instance_ready', 'No instance is ready.', { retryAfterSeconds: 5 })
  }
  return {
    status: 200,
    headers: json,
    body: JSON.stringify({ status: 'ready', instances: state.instancesUp }),
  }
}

/** For the dashboard. */
export function liveStatus(status: LiveStatus): Reply {
  return { status: 200, headers: json, body: JSON.stringify(status) }
}

/** The models in OpenAI's list shape; `createdSeconds` is a Unix time. */
export function modelList(names: readonly string[], createdSeconds: number): Reply {
  const data = names.map((id) => describeModel(id, createdSeconds))
  return { status: 200, headers: json, body: JSON.stringify({ object: 'list', data }) }
}

/** One model in OpenAI's shape. Throws AsrError model_not_found. */
export function modelDetail(names: readonly string[], name: string, createdSeconds: number): Reply {
  if (!names.includes(name)) throw modelNotFound(name, names)
  return { status: 200, headers: json, body: JSON.stringify(describeModel(name, createdSeconds)) }
}

/** Lists what is served, so that the mistake can be seen at once. */
export function modelNotFound(name: string, served: readonly string[]): AsrError {
  const list = served.length === 0 ? 'nothing at the moment' : served.join(', ')
  return new AsrError(
    'model_not_found',
    `The model \`${name.slice(0, 200)}\` is not served here. Served: ${list}.`,
    {
      param: 'model',
    },
  )
}

function describeModel(id: string, createdSeconds: number): object {
  return { id, object: 'model', created: createdSeconds, owned_by: 'asr-cluster' }
}
