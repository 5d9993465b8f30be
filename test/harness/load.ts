import { openAsBlob } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Agent, fetch, FormData } from 'undici'

export interface LoadResult {
  answered: number
  /** What went wrong, one line per request that was not answered with 200. */
  failures: string[]
  /** Answers per instance. */
  perInstance: Map<string, number>
}

export interface Load extends AsyncDisposable {
  /** How many requests were answered so far. */
  answered(): number
  /** Lets the running requests end and returns what happened. */
  stop(): Promise<LoadResult>
}

export interface LoadOptions {
  clients: number
  /** Path of the recording that every request sends. */
  audio: string
  /** Text that every answer must have; without it any text does. */
  text?: string
  /** How long a client waits between an answer and its next request; none without it. */
  pauseMs?: number
}

/** Clients that each send one request after the other until they are stopped. */
export async function startLoad(
  url: string,
  { clients, audio, text, pauseMs = 0 }: LoadOptions,
): Promise<Load> {
  const blob = await openAsBlob(audio)
  const dispatcher = new Agent()
  const result: LoadResult = { answered: 0, failures: [], perInstance: new Map() }
  let isOver = false

  async function client(): Promise<void> {
    while (!isOver) {
      const form = new FormData()
      form.set('audio', blob, 'audio.wav')
      try {
        const response = await fetch(`${url}/asr`, { method: 'POST', body: form, dispatcher })
        const body = (await response.json()) as { text?: string }
        if (response.status !== 200 || (text !== undefined && body.text !== text)) {
          result.failures.push(`${response.status} ${JSON.stringify(body)}`)
          continue
        }
        result.answered += 1
        const instance = response.headers.get('x-asr-instance') ?? '(none)'
        result.perInstance.set(instance, (result.perInstance.get(instance) ?? 0) + 1)
      } catch (error) {
        result.failures.push(inspect(error))
      }
      if (pauseMs > 0) await setTimeout(pauseMs)
    }
  }

  const running = Promise.all(Array.from({ length: clients }, client))
  const stop = async (): Promise<LoadResult> => {
    isOver = true
    await running
    if (!dispatcher.closed) await dispatcher.close()
    return result
  }
  return {
    answered: () => result.answered,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
    },
  }
}
