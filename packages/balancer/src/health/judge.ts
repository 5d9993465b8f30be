import type { BackendState } from '../backend/backend.js'
import type { EjectionReason } from '../metrics/balancer-metrics.js'

/** What a probe found. */
export type Finding =
  | { kind: 'good' }
  /** Nobody listens: the process is gone. */
  | { kind: 'refused' }
  /** Somebody else answers on the port. */
  | { kind: 'identity'; detail: string }
  /** It says itself that it takes no work: starting or draining. */
  | { kind: 'not-ready'; detail: string }
  /** It answers, but not well. */
  | { kind: 'failed'; detail: string }
  | { kind: 'timeout' }
  /** The host is not there: what runs on it will not be heard of again. */
  | { kind: 'unreachable'; detail: string }

const hostGoneCodes = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'])

/** Whether this error of a connection says that no packet reaches the host. */
export function isHostGone(code: string): boolean {
  return hostGoneCodes.has(code)
}

export interface HealthRecord {
  state: BackendState
  /** Bad probes in a row. */
  misses: number
  /** Good probes in a row since it is not up. */
  hits: number
}

export interface JudgeContext {
  fall: number
  rise: number
  /** A byte of an answer came since the probe was sent. */
  madeProgress: boolean
  /** False when one more ejection on soft evidence would leave less than half of the members. */
  mayEject: boolean
}

export interface Judgement {
  record: HealthRecord
  /** `eject` and `return` happen once, at the change. */
  change: { to: 'ejected'; reason: EjectionReason; detail: string } | { to: 'up' } | undefined
}

/**
 * | finding                     | while up or probing                         | while ejected |
 * |-----------------------------|---------------------------------------------|---------------|
 * | good                        | misses = 0; a probing one is up after `rise`| up after `rise` in a row |
 * | refused, identity, not-ready| ejected at once                             | stays |
 * | failed                      | ejected after `fall` in a row, if half stay | stays |
 * | timeout, unreachable        | the same, unless it made progress meanwhile | stays |
 */
export function judgeProbe(record: HealthRecord, finding: Finding, context: JudgeContext): Judgement {
  if (finding.kind === 'good') return judgeGood(record, context.rise)
  const { state } = record
  const isSilent = finding.kind === 'timeout' || finding.kind === 'unreachable'
  const moving = isSilent && context.madeProgress
  const missed: HealthRecord = { state, misses: moving ? 0 : record.misses + 1, hits: 0 }
  if (state === 'ejected') return { record: missed, change: undefined }
  const hard = finding.kind !== 'failed' && !isSilent
  if (!hard && (missed.misses < context.fall || !context.mayEject))
    return { record: missed, change: undefined }
  return {
    record: { ...missed, state: 'ejected' },
    change: { to: 'ejected', ...reasonOf(finding) },
  }
}

function judgeGood(record: HealthRecord, rise: number): Judgement {
  const hits = record.hits + 1
  if (record.state === 'up') return { record: { state: 'up', misses: 0, hits }, change: undefined }
  if (hits < rise) return { record: { state: record.state, misses: 0, hits }, change: undefined }
  return { record: { state: 'up', misses: 0, hits }, change: { to: 'up' } }
}

function reasonOf(finding: Exclude<Finding, { kind: 'good' }>): { reason: EjectionReason; detail: string } {
  switch (finding.kind) {
    case 'refused':
      return { reason: 'refused', detail: 'connection refused' }
    case 'identity':
      return { reason: 'identity', detail: finding.detail }
    case 'not-ready':
      return { reason: 'draining', detail: finding.detail }
    case 'failed':
      return { reason: 'probe_failed', detail: finding.detail }
    case 'unreachable':
      return { reason: 'unreachable', detail: `the host cannot be reached (${finding.detail})` }
    case 'timeout':
      return { reason: 'probe_timeout', detail: 'probes were not answered in time' }
  }
}

/** Soft evidence may remove an instance only while at most half of the members are out (Envoy's panic rule). */
export function mayEjectOneMore(ejected: number, members: number): boolean {
  return ejected + 1 <= Math.floor(members / 2)
}

/**
 * Deadline of the probe that follows a miss, such that `fall` misses in a row fit into `fall` intervals; the first probe
 * has the whole timeout.
 */
export function confirmTimeoutMs(intervalMs: number, timeoutMs: number, fall: number): number {
  if (fall < 2) return timeoutMs
  const left = (intervalMs * (fall - 1) - timeoutMs) / (fall - 1)
  return Math.min(timeoutMs, Math.max(250, left))
}
