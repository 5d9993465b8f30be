import type { Backend } from '../backend/backend.js'
import { headerValue } from '../server/headers.js'
import type { Answer } from './answer.js'
import type { RefusalCode } from './decline.js'

/** From what a client can do most about: waiting helps where somebody works, less where nobody is there. */
const mostUsefulFirst: readonly RefusalCode[] = [
  'queue_full',
  'queue_timeout',
  'yielded',
  'no_instance_ready',
]

export interface Refusal {
  backend: Backend
  code: RefusalCode
  answer: Answer
}

/** Which of the refusals the client is to get when nobody takes its request; of the same kind the one that ends soonest. */
export function mostUseful(refusals: readonly [Refusal, ...Refusal[]]): Refusal {
  const [first, ...others] = refusals
  return others.reduce((best, each) => (compare(each, best) < 0 ? each : best), first)
}

function compare(a: Refusal, b: Refusal): number {
  const byCode = mostUsefulFirst.indexOf(a.code) - mostUsefulFirst.indexOf(b.code)
  return byCode === 0 ? retryAfter(a) - retryAfter(b) : byCode
}

/** The highest where it does not say. */
function retryAfter({ answer }: Refusal): number {
  const seconds = Number.parseInt(headerValue(answer.headers, 'retry-after') ?? '', 10)
  return Number.isNaN(seconds) ? Number.MAX_SAFE_INTEGER : seconds
}
