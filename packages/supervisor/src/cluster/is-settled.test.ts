import type { InstanceState } from '@asr-cluster/protocol'
import { expect, it } from 'vitest'
import { isSettled } from './is-settled.js'

/** `waiting` stands for one that starts and waits for memory. */
const start = (text: string) =>
  text
    .split(' ')
    .filter((name) => name !== '')
    .map((name) => ({
      state: (name === 'waiting' ? 'starting' : name) as InstanceState,
      isWaiting: name === 'waiting',
    }))

it.each([
  ['ready', 'ready failed', true],
  ['ready', 'ready starting', false],
  ['ready', 'ready backoff', true],
  ['ready', 'ready waiting', true],
  ['ready', 'ready stopped', true],
  ['ready', 'ready draining', false],
  ['ready', 'stopped stopped', true],
  ['ready', 'failed backoff', false],
  ['ready', 'failed waiting', false],
  ['ready', 'failed failed', true],
  ['ready', '', true],
  ['starting', 'failed failed', true],
  ['starting', 'ready ready', false],
  ['starting', 'stopped stopped', false],
] as const)('with the balancer %s and instances %s: %s', (balancer, instances, expected) => {
  expect(isSettled(balancer, start(instances))).toBe(expected)
})
