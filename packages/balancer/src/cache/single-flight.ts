import { AsrError } from '@asr-cluster/protocol'
import type { Departure } from '../departure.js'
import type { Answer } from '../exchange/answer.js'

/** How the request ended that others with the same key wait for. */
export type FlightEnd =
  | { kind: 'answer'; answer: Answer }
  /** Its client went away: one of the others takes its place. */
  | { kind: 'abandoned' }
  /** Its answer is of no use to others; each sends its own request. */
  | { kind: 'private' }
  /** It found no free slot in its time, in which the others have waited for one too. */
  | { kind: 'timed-out' }
  /** Each of the others would cost as many instances. */
  | { kind: 'poison'; error: AsrError }

/** At most one request for each key is on its way; the same ones wait for it. */
export class SingleFlight {
  readonly #waiting = new Map<string, Set<(end: FlightEnd) => void>>()

  get size(): number {
    return this.#waiting.size
  }

  isFlying(key: string): boolean {
    return this.#waiting.has(key)
  }

  /** Makes the caller the one that is waited for; the returned function must be called, and tells only once. */
  lead(key: string): (end: FlightEnd) => void {
    const followers = new Set<(end: FlightEnd) => void>()
    this.#waiting.set(key, followers)
    return (end) => {
      // The next one may be on its way by now.
      if (this.#waiting.get(key) !== followers) return
      this.#waiting.delete(key)
      for (const follower of followers) follower(end)
    }
  }

  /** Waits for the one that leads. Rejects with AsrError client_closed. */
  follow(key: string, departure: Departure): Promise<FlightEnd> {
    return new Promise((resolve, reject) => {
      const followers = this.#waiting.get(key)
      const forget = departure.onGone(() => {
        followers?.delete(settle)
        reject(new AsrError('client_closed', 'The client closed the connection.'))
      })
      const settle = (end: FlightEnd): void => {
        forget()
        resolve(end)
      }
      if (followers) followers.add(settle)
      else settle({ kind: 'abandoned' })
    })
  }
}
