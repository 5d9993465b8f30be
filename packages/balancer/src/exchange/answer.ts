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
  /** How long an answer with this head may be for others to be given it too; 0 if they never are. */
  largestBytes(head: AnswerHead): number
  /** The answer turned out to be for its own client alone: nobody needs to wait for its end. */
  onPrivate(): void
  onAnswer(answer: Answer): void
}
