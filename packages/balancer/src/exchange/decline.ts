import type { Backend } from '../backend/backend.js'
import type { Clock } from '../clock.js'
import type { HealthMonitor } from '../health/monitor.js'
import type { Scheduler } from '../queue/scheduler.js'

/** Why an instance takes no work just now, in its own words. It may be asked again soon. */
const declineCodes = ['slots_full', 'draining'] as const
export type DeclineCode = (typeof declineCodes)[number]

/** Why a balancer, which is an instance to this one, takes no work. Soon it would say the same. */
const refusalCodes = ['queue_full', 'queue_timeout', 'yielded', 'no_instance_ready'] as const
export type RefusalCode = (typeof refusalCodes)[number]

export type NoWorkCode = DeclineCode | RefusalCode

/** After an instance said that it takes no work it gets nothing for so long. */
const pauseMs: Record<DeclineCode, number> = {
  /** About as long as until its next slot is free. */
  slots_full: 50,
  /** Its health may not tell yet, and would bring it back at once. */
  draining: 1_000,
}

/** Whether an answer with this head may be one that takes no work; its body decides. */
export function mayDecline(status: number, contentType: string | undefined): boolean {
  return (status === 429 || status === 503) && contentType?.startsWith('application/json') === true
}

/** What the body of such an answer says, in either error envelope. */
export function noWorkCodeIn(body: Buffer): NoWorkCode | undefined {
  const code = codeIn(body)
  return [...declineCodes, ...refusalCodes].find((each) => each === code)
}

export function isDecline(reason: string): reason is DeclineCode {
  return declineCodes.some((each) => each === reason)
}

export function isRefusal(reason: string): reason is RefusalCode {
  return refusalCodes.some((each) => each === reason)
}

function codeIn(body: Buffer): unknown {
  try {
    const json = JSON.parse(body.toString('utf8')) as {
      code?: unknown
      error?: { code?: unknown } | string
    } | null
    if (json === null || typeof json !== 'object') return undefined
    return typeof json.error === 'object' ? json.error?.code : json.code
  } catch {
    return undefined
  }
}

/** Keeps requests away from the instance for as long as what it said may last. */
export function backOff(
  { monitor, clock, scheduler }: { monitor: HealthMonitor; clock: Clock; scheduler: Scheduler },
  backend: Backend,
  code: DeclineCode,
): void {
  backend.restsUntilMs = clock.nowMs() + pauseMs[code]
  clock.after(pauseMs[code] + 1, () => scheduler.pump())
  if (code === 'draining') monitor.eject(backend, 'draining', 'the instance is draining')
}
