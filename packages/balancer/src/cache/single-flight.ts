import { clientClosed, type AsrError } from '@asr-cluster/protocol'
import type { Departure } from '../departure.js'
import type { Answer } from '../exchange/answer.js'
import type { StandIn } from '../queue/scheduler.js'

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

interface Follower {
  client: string
  settle(end: FlightEnd): void
  /** Takes away the place in the queue that it gave the one that leads. */
  leaveQueue(): void
}

interface Flight {
  followers: Set<Follower>
  /** Once the one that leads waits for a slot. */
  standIn: StandIn | undefined
}

/** What the one that is waited for has to tell. */
export interface Leading {
  /** It waits for a slot: those that follow let it wait in their lines too, or they would wait behind its client's. */
  onWait: (standIn: StandIn) => void
  /** Has to be called, and tells only once. */
  land: (end: FlightEnd) => void
}

/** At most one request for each key is on its way; the same ones wait for it. */
export class SingleFlight {
  readonly #flights = new Map<string, Flight>()

  get size(): number {
    return this.#flights.size
  }

  isFlying(key: string): boolean {
    return this.#flights.has(key)
  }

  /** Makes the caller the one that is waited for. */
  lead(key: string): Leading {
    const flight: Flight = { followers: new Set(), standIn: undefined }
    this.#flights.set(key, flight)
    return {
      onWait(standIn) {
        flight.standIn = standIn
        for (const follower of flight.followers) follower.leaveQueue = standIn(follower.client)
      },
      land: (end) => {
        // The next one may be on its way by now.
        if (this.#flights.get(key) !== flight) return
        this.#flights.delete(key)
        for (const follower of flight.followers) {
          follower.leaveQueue()
          follower.settle(end)
        }
      },
    }
  }

  /** Waits for the one that leads. Rejects with AsrError client_closed. */
  follow(key: string, client: string, departure: Departure): Promise<FlightEnd> {
    return new Promise((resolve, reject) => {
      const flight = this.#flights.get(key)
      if (!flight) {
        resolve({ kind: 'abandoned' })
        return
      }
      const forget = departure.onGone(() => {
        flight.followers.delete(follower)
        follower.leaveQueue()
        reject(clientClosed())
      })
      const follower: Follower = {
        client,
        settle(end) {
          forget()
          resolve(end)
        },
        leaveQueue: () => undefined,
      }
      flight.followers.add(follower)
      if (flight.standIn) follower.leaveQueue = flight.standIn(client)
    })
  }
}
