import { describe, expect, it } from 'vitest'
import { DeathLog } from './death-log.js'
import { judgeReplay, type AttemptRecord } from './verdict.js'

const death = (sharedBy = 1): AttemptRecord => ({ kind: 'broke', instanceGone: true, sharedBy, reused: true })
const record = (kind: AttemptRecord['kind'], overrides: Partial<AttemptRecord> = {}): AttemptRecord => ({
  kind,
  instanceGone: false,
  sharedBy: 1,
  reused: false,
  ...overrides,
})
const verdict = (records: AttemptRecord[], attempts = 2, otherDeaths = 0) =>
  judgeReplay(records, { attempts, otherDeaths })

describe('judgeReplay', () => {
  it('replays after one death and calls it poison after two', () => {
    expect(verdict([death()])).toBe('replay')
    expect(verdict([death(), death()])).toBe('poison')
  })

  it('shares a death out among the requests that were on the instance', () => {
    expect(verdict([death(4), death(4)])).toBe('replay')
    expect(verdict([death(2), death(2), death(2), death(2)])).toBe('poison')
  })

  it('gives the benefit of the doubt while other instances die without this request', () => {
    expect(verdict([death(), death()], 2, 1)).toBe('replay')
    expect(verdict([death(), death(), death()], 2, 1)).toBe('replay')
    expect(verdict([death(), death(), death(), death()], 2, 1)).toBe('poison')
  })

  it('does not count what was never sent, up to a bound', () => {
    const refused = Array.from({ length: 31 }, () => record('refused'))
    expect(verdict(refused)).toBe('replay')
    expect(verdict([...refused, record('refused')])).toBe('give-up')
    expect(verdict([record('declined'), record('declined'), death()])).toBe('replay')
    // The queue's patience ends those.
    expect(verdict(Array.from({ length: 500 }, () => record('declined')))).toBe('replay')
  })

  it('counts a break of a fresh connection to a living instance, not of a used one', () => {
    expect(verdict([record('broke'), record('broke')])).toBe('give-up')
    expect(verdict([record('broke', { reused: true }), record('broke', { reused: true })])).toBe('replay')
  })

  it('sends a body at most three times more than configured, whoever is to blame', () => {
    const breaks = Array.from({ length: 5 }, () => record('broke', { reused: true }))
    expect(verdict(breaks.slice(1))).toBe('replay')
    expect(verdict(breaks)).toBe('give-up')
  })

  it('never replays with one attempt, even on a shared death', () => {
    expect(verdict([death(8)], 1)).toBe('give-up')
    expect(verdict([death(8)], 1, 5)).toBe('give-up')
    expect(verdict([record('refused')], 1)).toBe('replay')
  })
})

describe('DeathLog', () => {
  it('counts the deaths of the last minute that a request was not part of', () => {
    const log = new DeathLog()
    log.record('a', 1, 'r1', 0)
    log.record('a', 1, 'r2', 5)
    log.record('b', 1, 'r3', 10)
    expect(log.without('r1', 20)).toBe(1)
    expect(log.without('r3', 20)).toBe(1)
    expect(log.without('r4', 20)).toBe(2)
    expect(log.without('r4', 61_000)).toBe(0)
  })
})
