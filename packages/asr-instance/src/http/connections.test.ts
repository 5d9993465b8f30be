import { describe, expect, it } from 'vitest'
import { isUnused, type ConnectionState } from './connections.js'

const limits = { requestTimeout: 300_000, headersTimeout: 60_000 }
const drainedAt = 1_000_000
const silent: ConnectionState = { openedAt: 0, bytesRead: 0, bytesOfRequests: 0, request: undefined }
const request = (begunAt: number, isComplete: boolean) => ({ begunAt, isComplete })

describe('isUnused', () => {
  it.each<[string, Partial<ConnectionState>, number, boolean]>([
    ['nothing was ever said', {}, 0, true],
    ['it has just been opened', { openedAt: drainedAt - 10 }, 0, false],
    ['it was just opened, a second ago', { openedAt: drainedAt - 10 }, 1_000, true],
    ['it is idle after a request', { openedAt: drainedAt - 10, bytesRead: 80, bytesOfRequests: 80 }, 0, true],
    ['a head is being received', { bytesRead: 100, bytesOfRequests: 80 }, 59_999, false],
    ['a head is not received in time', { bytesRead: 100, bytesOfRequests: 80 }, 60_000, true],
    ['a body is being received', { request: request(drainedAt - 100, false) }, 299_899, false],
    ['a body is not received in time', { request: request(drainedAt - 100, false) }, 299_900, true],
    ['it is answered, however long', { request: request(0, true) }, 9_000_000, false],
  ])('where %s', (_name, state, afterMs, expected) => {
    expect(isUnused({ ...silent, ...state }, drainedAt + afterMs, drainedAt, limits)).toBe(expected)
  })

  it('waits for ever where a limit is 0, as Node does', () => {
    const state = { ...silent, request: request(0, false) }
    expect(isUnused(state, 9_000_000, drainedAt, { requestTimeout: 0, headersTimeout: 0 })).toBe(false)
  })
})
