import { timingSafeEqual } from 'node:crypto'
import type { AdminAnswer, AdminAsk, AdminGone, AdminRequest } from '@asr-cluster/protocol'
import type { ControlApi } from '../control/control-server.js'
import type { Clock } from '../world/clock.js'

/** Lines are gathered for so long: a program that writes a lot must not fill the channel to the balancer. */
const gatherMs = 100
/** Of a burst this many lines are sent, and how many were not. */
const mostLines = 500

type Send = (answer: AdminAnswer) => void

/** Answers what administrators ask by way of the balancers. */
export interface AdminDesk {
  /** Until this is called nobody is let in. */
  serve(api: ControlApi): void
  /** `source` is the balancer that asks. */
  onMessage(source: object, message: AdminAsk | AdminGone, send: Send): void
  /** A balancer is gone, and with it everybody who listened. */
  forget(source: object): void
}

/** `keyHashes`: hashes of the admin keys that count now; without any the desk is closed. */
export function createAdminDesk(keyHashes: () => readonly string[], clock: Clock): AdminDesk {
  let api: ControlApi | null = null
  const open = new Map<object, Map<string, AbortController>>()

  function judge(keyHash: string): AdminAnswer['verdict'] {
    const hashes = keyHashes()
    if (hashes.length === 0 || api === null) return 'disabled'
    const given = Buffer.from(keyHash)
    const matches = hashes
      .map((hash) => Buffer.from(hash))
      // All are compared, each in constant time.
      .filter((hash) => hash.length === given.length && timingSafeEqual(hash, given))
    return matches.length > 0 ? 'accepted' : 'wrong-key'
  }

  async function answer(source: object, { exchange, keyHash, request }: AdminAsk, send: Send): Promise<void> {
    const verdict = judge(keyHash)
    const say = (lines: unknown[], end: boolean): void =>
      send({ type: 'admin-answer', exchange, verdict, lines, end })
    if (verdict !== 'accepted' || api === null || request === undefined) {
      say([], true)
      return
    }
    say([], false)
    const gone = new AbortController()
    const exchanges = open.get(source) ?? new Map<string, AbortController>()
    open.set(source, exchanges.set(exchange, gone))
    const gathered = gather(clock, (lines) => say(lines, false))
    try {
      await run(api, request, gathered.add, gone.signal)
    } catch (error) {
      gathered.add({ done: true, ok: false, message: error instanceof Error ? error.message : String(error) })
    }
    exchanges.delete(exchange)
    const rest = gathered.end()
    if (!gone.signal.aborted) say(rest, true)
  }

  return {
    serve(served) {
      api = served
    },
    onMessage(source, message, send) {
      if (message.type === 'admin') void answer(source, message, send)
      else open.get(source)?.get(message.exchange)?.abort()
    },
    forget(source) {
      for (const gone of open.get(source)?.values() ?? []) gone.abort()
      open.delete(source)
    },
  }
}

async function run(
  api: ControlApi,
  request: AdminRequest,
  write: (line: unknown) => void,
  gone: AbortSignal,
): Promise<void> {
  const { operation, ...body } = request
  if (request.operation === 'logs') {
    const { id, lines } = request
    await api.logs({ id, lines, follow: true }, write, gone)
    return
  }
  const named = api.operations[operation]
  if (!named) throw new Error(`there is no operation ${operation}`)
  write({ done: true, ...(await named(body, (line) => write({ line }), gone)) })
}

/** Hands lines on in bunches. */
function gather(
  clock: Clock,
  flush: (lines: unknown[]) => void,
): { add: (line: unknown) => void; end: () => unknown[] } {
  let lines: unknown[] = []
  let dropped = 0
  let cancel: (() => void) | null = null
  const take = (): unknown[] => {
    const taken = dropped > 0 ? [...lines, { dropped }] : lines
    lines = []
    dropped = 0
    cancel?.()
    cancel = null
    return taken
  }
  return {
    add(line) {
      if (lines.length >= mostLines && !isResult(line)) dropped += 1
      else lines.push(line)
      cancel ??= clock.after(gatherMs, () => flush(take()))
    },
    end: take,
  }
}

/** How an operation ended is never dropped. */
function isResult(line: unknown): boolean {
  return typeof line === 'object' && line !== null && 'done' in line
}
