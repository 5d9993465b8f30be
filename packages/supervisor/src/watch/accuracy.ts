import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { balancerUrl } from '../balancer/balancer-program.js'
import { ownApiKey } from '../cluster/own-key.js'
import type { ChildHandle, Spawner } from '../process/spawner.js'
import { every } from './watch-context.js'
import type { WatchContext } from './watch-context.js'

/** Between two looks whether a measurement is due. */
const lookMs = 1_000
/** Before the first one: a cluster that is started again and again must not measure all the time. */
const firstAfterMs = 60_000
/** A busy cluster gets at least so long to find room for the clips. */
const leastLimitMs = 600_000

const evaluationSchema = z.object({
  all: z.object({ wer: z.number(), words: z.object({ length: z.number() }) }),
  clips: z.array(z.object({ error: z.string().nullable() })),
})

export interface AccuracyOptions {
  spawner: Spawner
  /** Program and leading arguments of `asr-cluster`. */
  command: readonly string[]
}

/**
 * Measures the word error rate of each group of our own instances again and again, in a process of its own by requests of
 * low priority, if the configuration says so.
 */
export function watchAccuracy(context: WatchContext, { spawner, command }: AccuracyOptions): () => void {
  const { cluster, clock } = context
  let child: ChildHandle | null = null
  let isOver = false
  let dueAt: number | null = null

  function note(level: 'info' | 'warn', message: string): void {
    cluster.bus.emit({ type: 'notice', level, id: null, text: message })
  }

  async function measure(group: string): Promise<void> {
    const { balancer, eval: settings, groups } = cluster.config()
    const [file, ...args] = command as [string, ...string[]]
    // By its port the client asks the supervisor, which knows the certificate.
    const where =
      balancer.tls === undefined
        ? ['--url', balancerUrl(balancer, cluster.port)]
        : ['--port', String(cluster.port)]
    child = await spawner.spawn({
      file,
      args: [
        ...args,
        'eval',
        settings.manifest,
        '--json',
        '--low-priority',
        ...where,
        '--concurrency',
        '1',
        ...(settings.clips === undefined ? [] : ['--limit', String(settings.clips)]),
        ...(groups.length > 1 ? ['--model', group] : []),
      ],
      env: { ASR_CLUSTER_API_KEY: ownApiKey },
      ipc: false,
    })
    const limitMs = Math.max(settings.interval, leastLimitMs)
    const cancel = clock.after(limitMs, () => child?.signal('SIGKILL'))
    const [answer, complaint, exit] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      child.exited,
    ])
    cancel()
    child = null
    if (isOver) return
    const evaluation = parse(answer)
    if (evaluation === null || evaluation.clips.some(({ error }) => error !== null)) {
      const how =
        exit.signal === null ? complaint.trim().split('\n')[0] : `not done within ${limitMs / 1_000} s`
      cluster.metrics.recordEvaluation(group, null)
      note('warn', `the accuracy of ${group} could not be measured: ${how}`)
      return
    }
    const { wer, words } = evaluation.all
    cluster.metrics.recordEvaluation(group, { wer, atMs: clock.wallTime().getTime() })
    note('info', `word error rate of ${group}: ${(wer * 100).toFixed(1)} % of ${words.length} words`)
  }

  async function look(): Promise<void> {
    const { enabled, interval } = cluster.config().eval
    if (!enabled) {
      dueAt = null
      return
    }
    dueAt ??= clock.now() + Math.min(interval, firstAfterMs)
    if (clock.now() < dueAt || context.isShuttingDown()) return
    // Foreign servers need not have the route, and their model is not ours to judge.
    const names = cluster.config().groups.filter(({ command: foreign }) => foreign === undefined)
    for (const { name } of names) if (!isOver) await measure(name).catch((error: Error) => fail(name, error))
    dueAt = clock.now() + interval
  }

  function fail(group: string, error: Error): void {
    cluster.metrics.recordEvaluation(group, null)
    note('warn', `the accuracy of ${group} could not be measured: ${error.message}`)
  }

  const stop = every(clock, () => lookMs, look)
  return () => {
    isOver = true
    stop()
    child?.signal('SIGKILL')
  }
}

function parse(answer: string): z.output<typeof evaluationSchema> | null {
  try {
    return evaluationSchema.safeParse(JSON.parse(answer)).data ?? null
  } catch {
    return null
  }
}
