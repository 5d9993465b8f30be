import { AsrError, type Member } from '@asr-cluster/protocol'
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

/** The models of all members in OpenAI's list shape; `createdSeconds` is a Unix time. */
export function modelList(members: readonly Member[], createdSeconds: number): Reply {
  const names = [...new Set(members.flatMap((member) => member.models))].sort()
  const data = names.map((id) => ({ id, object: 'model', created: createdSeconds, owned_by: 'asr-cluster' }))
  return { status: 200, headers: json, body: JSON.stringify({ object: 'list', data }) }
}
