import { healthSchema, type Member } from '@asr-cluster/protocol'
import { callerHeadersFor } from '../backend/caller-headers.js'
import { fetchJson, type FetchResult } from './fetch-json.js'
import { isHostGone, type Finding } from './judge.js'

const maxAnswerBytes = 64 * 1024

export interface ProbeReport {
  finding: Finding
  /** Slots that the instance says it has. */
  slots: number | undefined
  /** It answers like one of our instances. */
  native: boolean
}

export type Probe = (member: Member, defaultPath: string, timeoutMs: number) => Promise<ProbeReport>

export const probeHttp: Probe = async (member, defaultPath, timeoutMs) => {
  const url = new URL(member.healthPath ?? defaultPath, member.url)
  return interpretHealth(
    await fetchJson(url, timeoutMs, maxAnswerBytes, callerHeadersFor(member)),
    member.identity,
  )
}

/** A foreign server needs no more than a 2xx; where an identity is expected the answer must carry it. */
export function interpretHealth(result: FetchResult, identity: string | undefined): ProbeReport {
  if (result.kind !== 'answer') return { finding: withoutAnswer(result), slots: undefined, native: false }
  const health = healthSchema.safeParse(result.json)
  const slots = health.success ? health.data.slots : undefined
  const native = health.success
  const report = (finding: Finding): ProbeReport => ({ finding, slots, native })
  const answered2xx = result.status >= 200 && result.status <= 299
  const found = health.success ? health.data.identity : undefined
  if (identity !== undefined && found !== identity && (health.success || answered2xx)) {
    return report({ kind: 'identity', detail: 'another process answers on the port' })
  }
  if (health.success && health.data.status !== 'healthy') {
    return report({ kind: 'not-ready', detail: `the instance is ${health.data.status}` })
  }
  if (answered2xx) return report({ kind: 'good' })
  return report({ kind: 'failed', detail: `the health path answered ${result.status}` })
}

function withoutAnswer(result: Exclude<FetchResult, { kind: 'answer' }>): Finding {
  if (result.kind === 'timeout') return { kind: 'timeout' }
  if (isHostGone(result.detail)) return { kind: 'unreachable', detail: result.detail }
  return result.kind === 'refused' ? { kind: 'refused' } : { kind: 'failed', detail: result.detail }
}
