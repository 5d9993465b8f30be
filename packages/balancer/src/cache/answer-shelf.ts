import type { Answer } from '../exchange/answer.js'

/** A place for answers beside the memory of this process. Whatever fails there, requests go on as if it were empty. */
export interface AnswerShelf {
  /** Never rejects. */
  get(key: string): Promise<Answer | undefined>
  /** Never rejects. */
  set(key: string, answer: Answer): Promise<void>
  close(): void
}
