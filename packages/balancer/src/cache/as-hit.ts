import type { Answer } from '../exchange/answer.js'

const cacheHeader = 'x-asr-cache'

/** Header of an answer that an instance gave while answers are kept. */
export const cacheMiss: readonly string[] = [cacheHeader, 'miss']

/** The answer for another request: it says that it was known, and has the other one's id. */
export function asHit(answer: Answer, requestId: string): Answer {
  const headers = answer.headers.flatMap((name, index, all) => {
    if (index % 2 === 1) return []
    const value = all[index + 1] as string
    switch (name.toLowerCase()) {
      case cacheHeader:
        return [name, 'hit']
      case 'x-request-id':
        return [name, requestId]
      default:
        return [name, value]
    }
  })
  return { ...answer, headers }
}
