import type { Logger } from 'pino'
import type { AnswerShelf } from './answer-shelf.js'
import { diskAnswers } from './disk-answers.js'

export interface ShelfOptions {
  dir: string | undefined
  maxDiskBytes: number
  redisUrl: string | undefined
}

/** The places for answers beside memory, the nearest first. Throws for a folder or an address that cannot be used. */
export async function openShelves(options: ShelfOptions, log: Logger): Promise<AnswerShelf[]> {
  const { dir, maxDiskBytes, redisUrl } = options
  const shelves: AnswerShelf[] = []
  if (dir !== undefined) shelves.push(diskAnswers(dir, maxDiskBytes))
  if (redisUrl !== undefined) {
    // Loaded only where it is wanted: the client is larger than the balancer.
    const { redisAnswers } = await import('./redis-answers.js')
    shelves.push(redisAnswers(redisUrl, log))
  }
  return shelves
}
