import type { Clock } from '../../clock.js'
import type { Random } from '../../policy/index.js'
import type { SliceApi, SliceQuery } from './api-client.js'
import { ApiError } from './api-error.js'
import type { EndpointSlice } from './endpoint-slice.js'

const firstPauseMs = 500
const longestPauseMs = 30_000
/** A watch that ends sooner and told nothing counts as a failure: a server that is going away ends each one at once. */
const shortWatchMs = 1_000

export interface FollowOptions {
  api: SliceApi
  query: SliceQuery
  clock: Clock
  random: Random
  /** All slices of the Service, after each change. */
  onSlices: (slices: ReadonlyMap<string, EndpointSlice>) => void
  onFailure: (error: Error) => void
}

/**
 * List, then watch from there, as every Kubernetes client does: a watch that ends goes on from the last version it told
 * of, and only when the server no longer remembers that version (410, as a status or as an event) a new list replaces
 * all. Whatever fails, the last known slices stay; the next try follows after a pause that doubles up to 30 s, half of it
 * random. Resolves when `signal` is aborted.
 */
export async function followSlices(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { api, query, clock, random, onSlices, onFailure } = options
  let slices = new Map<string, EndpointSlice>()
  let version: string | undefined
  let failures = 0
  while (!signal.aborted) {
    let told = false
    let retryAfterMs = 0
    const beganAtMs = clock.nowMs()
    try {
      if (version === undefined) {
        const list = await api.list(query, signal)
        slices = new Map(list.slices.map((slice) => [slice.metadata.name, slice]))
        version = list.resourceVersion
        onSlices(slices)
      }
      await api.watch(query, version, signal, (event) => {
        if (event.type === 'ERROR') return
        told = true
        version = event.object.metadata.resourceVersion ?? version
        if (event.type === 'BOOKMARK') return
        const { name } = event.object.metadata
        if (event.type === 'DELETED') slices.delete(name)
        else slices.set(name, event.object)
        onSlices(slices)
      })
      failures = told || clock.nowMs() - beganAtMs >= shortWatchMs ? 0 : failures + 1
    } catch (error) {
      if (signal.aborted) return
      const isGone = error instanceof ApiError && error.isGone
      if (isGone) version = undefined
      else onFailure(error as Error)
      if (error instanceof ApiError) retryAfterMs = error.retryAfterMs
      // A version that became too old is part of normal life, an answer that says so at once is not.
      failures = told ? (isGone ? 0 : 1) : failures + 1
    }
    await pause(clock, Math.max(retryAfterMs, pauseMs(failures, random)), signal)
  }
}

/** 0 after none, then 0.5 s, 1 s, 2 s, … 30 s, of which half is random. */
export function pauseMs(failures: number, random: Random): number {
  if (failures === 0) return 0
  const whole = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1))
  return whole / 2 + (random() * whole) / 2
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs === 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const onAbort = (): void => (cancel(), resolve())
    // The signal outlives many pauses.
    const cancel = clock.after(delayMs, () => (signal.removeEventListener('abort', onAbort), resolve()))
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
