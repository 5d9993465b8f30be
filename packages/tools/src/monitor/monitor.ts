import { readSnapshot, type Snapshot, type SnapshotSource } from './snapshot.js'
import { buildView, type MonitorView } from './view.js'

export interface MonitorOptions {
  source: SnapshotSource
  intervalMs: number
  /** Views to show; Infinity until the signal. */
  count: number
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  signal: AbortSignal
}

/** Long enough for a quantile, short enough to see a change. */
const windowMs = 10_000

/** A view per interval, the first one after two snapshots: rates need two. */
export async function* monitor({
  source,
  intervalMs,
  count,
  sleep,
  signal,
}: MonitorOptions): AsyncGenerator<MonitorView> {
  let past: Snapshot[] = [await readSnapshot(source)]
  for (let shown = 0; shown < count; shown++) {
    await sleep(intervalMs, signal)
    if (signal.aborted) return
    const now = await readSnapshot(source)
    past = trimWindow(past, now.atMs)
    yield buildView(past[0] as Snapshot, now)
    // Without counters a later one would seem to have grown from nought.
    if (now.metrics.size > 0) past.push(now)
  }
}

/** Keeps the youngest that is as old as the window, and all after it. */
export function trimWindow(past: readonly Snapshot[], nowMs: number): Snapshot[] {
  const usable = past.filter(({ metrics }) => metrics.size > 0)
  const from = usable.findLastIndex(({ atMs }) => nowMs - atMs >= windowMs)
  const kept = usable.slice(Math.max(0, from))
  return kept.length > 0 ? kept : past.slice(-1)
}
