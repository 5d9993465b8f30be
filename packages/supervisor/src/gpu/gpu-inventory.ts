import type { Clock } from '../world/clock.js'
import type { ChildHandle, Spawner } from '../process/spawner.js'
import { createLineSplitter } from '../logs/line-splitter.js'
import { gpuQuery, parseGpuLine } from './gpu.js'
import type { Gpu } from './gpu.js'

export type GpuListener = (gpus: readonly Gpu[], begunAtMs: number) => void

export interface GpuInventory {
  /** What was seen last; empty without GPUs. */
  list(): readonly Gpu[]
  /** Called with each new list, and when (ms, the clock's) its first line came, which is a moment before. */
  subscribe(listener: GpuListener): () => void
  /** Resolves with the first list, an empty one if there is no `nvidia-smi` or it says nothing in time. */
  first(): Promise<readonly Gpu[]>
  close(): void
}

export interface GpuInventoryOptions {
  spawner: Spawner
  clock: Clock
  onTrouble: (message: string) => void
  /** Between two looks. */
  intervalMs?: number
}

/** `nvidia-smi` may hang for ever on a broken driver. */
export const silenceLimitMs = 15_000
export const firstListLimitMs = 5_000
/** All lines of one look come at once; when nothing follows for so long, the list is whole. */
const frameGapMs = 200
const retryMs = 30_000

/**
 * Follows the GPUs with one `nvidia-smi` that runs all the time: starting it takes up to a second and wakes the
 * driver. One that falls silent is replaced; without one the list is empty.
 */
export function createGpuInventory(options: GpuInventoryOptions): GpuInventory {
  const { spawner, clock, onTrouble, intervalMs = 2_000 } = options
  const listeners = new Set<GpuListener>()
  let gpus: readonly Gpu[] = []
  let frame: Gpu[] = []
  let frameBegunAtMs = 0
  let child: ChildHandle | null = null
  let isClosed = false
  let hasComplained = false
  let cancelGap = (): void => {}
  let cancelSilence = (): void => {}
  let cancelRetry = (): void => {}
  let settleFirst: (list: readonly Gpu[]) => void = () => {}
  const firstList = new Promise<readonly Gpu[]>((resolve) => {
    settleFirst = resolve
  })
  const cancelFirst = clock.after(firstListLimitMs, () => settleFirst(gpus))

  function publish(): void {
    cancelGap()
    if (frame.length === 0) return
    gpus = frame
    frame = []
    hasComplained = false
    settleFirst(gpus)
    for (const listener of listeners) listener(gpus, frameBegunAtMs)
  }

  function take(line: string): void {
    const gpu = parseGpuLine(line)
    if (gpu === null) {
      if (line.trim() !== '') complain(`nvidia-smi: ${line.trim()}`)
      return
    }
    if (frame.some(({ index }) => index === gpu.index)) publish()
    if (frame.length === 0) frameBegunAtMs = clock.now()
    frame.push(gpu)
    cancelGap()
    cancelGap = clock.after(frameGapMs, publish)
    watchSilence()
  }

  function watchSilence(): void {
    cancelSilence()
    cancelSilence = clock.after(silenceLimitMs, () => {
      complain(`nvidia-smi has said nothing for ${silenceLimitMs / 1_000} s and is started again`)
      child?.signal('SIGKILL')
    })
  }

  async function run(): Promise<void> {
    try {
      child = await spawner.spawn({
        file: 'nvidia-smi',
        args: [`--query-gpu=${gpuQuery.join(',')}`, '--format=csv,noheader,nounits', `-lms=${intervalMs}`],
        env: {},
        ipc: false,
      })
    } catch {
      // No NVIDIA driver here: nothing to say, and nothing to try again.
      settleFirst([])
      return
    }
    if (isClosed) return void child.signal('SIGKILL')
    watchSilence()
    const splitter = createLineSplitter()
    child.stdout.on('data', (chunk: Buffer) => splitter.push(chunk).forEach(({ text }) => take(text)))
    child.stderr.resume()
    const { code, signal } = await child.exited
    child = null
    cancelSilence()
    publish()
    settleFirst(gpus)
    if (isClosed) return
    complain(`nvidia-smi ended with ${signal ?? `code ${code}`}`)
    cancelRetry = clock.after(retryMs, () => void run())
  }

  function complain(message: string): void {
    if (!hasComplained) onTrouble(message)
    hasComplained = true
  }

  void run()
  return {
    list: () => gpus,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    first: () => firstList,
    close() {
      isClosed = true
      for (const cancel of [cancelFirst, cancelGap, cancelSilence, cancelRetry]) cancel()
      child?.signal('SIGKILL')
    },
  }
}
