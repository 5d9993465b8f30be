import type { LiveStatus } from '@asr-cluster/protocol'
import { expect, test } from 'vitest'
import { instanceViews } from './instances.js'

type Members = LiveStatus['balancer']['members']
type Instances = NonNullable<LiveStatus['cluster']>['instances']

const member: Members[number] = {
  id: 'a',
  inFlight: 2,
  state: 'up',
  group: 'default',
  models: ['demo'],
  weight: 1,
  slots: 4,
}
const instance: Instances[number] = {
  id: 'a',
  group: 'default',
  model: '/models/demo',
  pid: 7,
  port: 7861,
  gpu: null,
  state: 'ready',
  weight: 1,
  slots: 4,
  inFlight: 0,
  restarts: 3,
  uptimeSeconds: 9,
  lastExit: null,
}

function status(members: Members, instances?: Instances): LiveStatus {
  const figures = { policy: 'p', queueDepth: 0, inFlight: 0 }
  return {
    balancer: { ...figures, pid: 1, queueMax: 9, draining: false, members },
    cluster: instances
      ? {
          supervisor: { pid: 1, version: '1', uptimeSeconds: 1 },
          balancer: { ...figures, pid: 1, port: 1 },
          instances,
        }
      : null,
    clusterAgeMs: instances ? 0 : null,
  }
}

test("what the balancer says of an instance is newer than the supervisor's word", () => {
  expect(instanceViews(status([member], [instance]))).toMatchObject([
    { id: 'a', state: 'ready', mood: 'good', inFlight: 2, slots: 4, restarts: 3, note: null },
  ])
})

test('an instance that the balancer removed is not shown as ready', () => {
  expect(
    instanceViews(status([{ ...member, state: 'ejected', reason: 'refused' }], [instance])),
  ).toMatchObject([{ state: 'ejected', mood: 'bad', note: 'refused' }])
})

test('an instance that waits for memory says so', () => {
  const waiting = { ...instance, state: 'starting' as const, waitingFor: 'waits for memory' }
  expect(instanceViews(status([], [waiting]))).toMatchObject([
    { state: 'starting', mood: 'busy', note: 'waits for memory' },
  ])
})

test('a dead instance is no member and still shown', () => {
  const dead: Instances[number] = { ...instance, state: 'backoff', pid: null }
  expect(instanceViews(status([], [dead]))).toMatchObject([
    { id: 'a', state: 'backoff', mood: 'bad', inFlight: 0 },
  ])
})

test('a balancer alone shows its members', () => {
  expect(instanceViews(status([member]))).toMatchObject([
    { id: 'a', state: 'up', mood: 'good', restarts: null, lastExit: null },
  ])
})
