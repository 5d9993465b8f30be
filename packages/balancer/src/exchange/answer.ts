/** A whole answer of an instance, held back until it is complete. */
export interface Answer {
  status: number
  statusText: string
  /** Name, value, … as for the client. */
  headers: string[]
  body: Buffer
}
