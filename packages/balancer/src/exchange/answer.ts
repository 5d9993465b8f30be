import type { StandIn } from '../queue/scheduler.js'

export interface AnswerHead {
  status: number
  statusText: string
  /** Name, value, … as for the client. */
  headers: string[]
}

/** A whole answer of an instance, held back until it is complete. */
export interface Answer extends AnswerHead {
  body: Buffer
}

/** What the answer to a request is to others that wait for it. */
export interface Sharing {
  /** It waits for a slot, and may do so in the lines of the clients that wait for its answer. */
  onWait: (standIn: StandIn) => void
  /** How long an answer with this head may be for others to be given it too; 0 if they never are. */
  largestBytes(head: AnswerHead): number
  /** The answer turned out to be for its own client alone: nobody needs to wait for its end. */
  onPrivate(): void
  onAnswer(answer: Answer): void
}
