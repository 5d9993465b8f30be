import type { FailureKind } from '../upstream/failure.js'

/** One attempt of a request that ended without an answer. */
export interface AttemptRecord {
  /** `declined`: the instance said that it takes no work. */
  kind: FailureKind | 'declined'
  /** The process behind the broken connection is gone. */
  instanceGone: boolean
  /** Requests in flight on the instance when it went, this one among them. */
  sharedBy: number
  /** Sent on a connection that had served before. */
  reused: boolean
}

export interface VerdictContext {
  /** `retry.attempts`: instances that one request may cost. */
  attempts: number
  /** Instances that died lately without this request in them. */
  otherDeaths: number
}

/** With other deaths around, a request has to be found on so many more dying instances to be called poison. */
const benefitOfDoubt = 2
/** Sends with a body that may fail beyond `attempts`, whoever is to blame. */
const extraSends = 3
/** Also an end to attempts that cost nothing, such as refused connections. Declined ones end with the patience. */
const maxRecords = 32

const bodyWasSent = new Set<AttemptRecord['kind']>(['broke', 'garbled', 'stalled'])

/**
 * What to do after a failed attempt. A body that kills instances must be told from a request that was on instances which
 * somebody else killed, so each death is shared out: with n requests in flight each carries 1/n of it. A connection that
 * broke while its instance lives costs a whole attempt, unless it was a used one (the usual keep-alive race). Attempts
 * in which the body was not sent cost nothing.
 */
export function judgeReplay(
  records: readonly AttemptRecord[],
  { attempts, otherDeaths }: VerdictContext,
): 'replay' | 'poison' | 'give-up' {
  const sends = records.filter((record) => bodyWasSent.has(record.kind)).length
  const deaths = records.filter((record) => record.kind === 'broke' && record.instanceGone)
  const blame = deaths.reduce((sum, record) => sum + 1 / Math.max(1, record.sharedBy), 0)
  const failures = records.filter(({ kind }) => kind !== 'declined').length
  const cost = blame + records.reduce((sum, record) => sum + costOf(record), 0)
  const doubt = otherDeaths > 0 && attempts > 1 ? benefitOfDoubt : 0
  if (deaths.length >= 2 && blame >= attempts + doubt) return 'poison'
  const most = attempts === 1 ? 1 : attempts + extraSends
  return cost >= attempts + doubt || sends >= most || failures >= maxRecords ? 'give-up' : 'replay'
}

/** Cost of an attempt whose instance did not die; deaths are shared out by the caller. */
function costOf(record: AttemptRecord): number {
  switch (record.kind) {
    case 'broke':
      return record.instanceGone || record.reused ? 0 : 1
    case 'stalled':
      return 1 / Math.max(1, record.sharedBy)
    case 'garbled':
    case 'connect-timeout':
    case 'timeout':
    case 'local':
      return 1
    default:
      return 0
  }
}
