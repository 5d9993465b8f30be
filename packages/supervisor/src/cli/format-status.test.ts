import { expect, it } from 'vitest'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { formatStatus } from './format-status.js'
import { formatDuration } from '@asr-cluster/tools/common'

const status: ClusterStatus = {
  supervisor: { pid: 10, version: '0.1.0', uptimeSeconds: 7_500 },
  balancer: { pid: null, port: 7860, policy: 'weighted-round-robin', queueDepth: 3, inFlight: 4 },
  instances: [
    {
      id: 'default-0',
      group: 'default',
      model: '/m',
      pid: 11,
      port: 7861,
      gpu: null,
      state: 'ready',
      weight: 3,
      slots: 4,
      inFlight: 4,
      restarts: 1,
      uptimeSeconds: 59.9,
      lastExit: { at: 'x', code: null, signal: 'SIGKILL', reason: 'killed by SIGKILL', stderr: [] },
    },
    {
      id: 'default-1',
      group: 'default',
      model: '/m',
      pid: null,
      port: 7862,
      gpu: 'GPU-5a1b',
      state: 'failed',
      weight: 2,
      slots: null,
      inFlight: 0,
      restarts: 3,
      uptimeSeconds: null,
      lastExit: { at: 'x', code: 1, signal: null, reason: 'exited with code 1', stderr: ['no', 'memory'] },
    },
  ],
}

it('shows every instance, and why one is not there', () => {
  expect(formatStatus(status)).toEqual([
    'supervisor  pid 10, version 0.1.0, up 2h5m',
    'balancer    down, port 7860, weighted-round-robin, 4 in flight, 3 queued',
    '',
    'INSTANCE   STATE   PORT  PID  GPU       WEIGHT  IN FLIGHT  RESTARTS  UPTIME  LAST EXIT',
    'default-0  ready   7861  11   -         3       4/4        1         59s     killed by SIGKILL',
    'default-1  failed  7862  -    GPU-5a1b  2       0/?        3         -       exited with code 1',
    '',
    'default-1: exited with code 1',
    '  | no',
    '  | memory',
  ])
})

it('says what a start waits for', () => {
  const instance = { ...status.instances[0]!, state: 'starting' as const, waitingFor: 'waits for memory' }
  expect(formatStatus({ ...status, instances: [instance] }).slice(-2)).toEqual([
    '',
    'default-0: waits for memory',
  ])
})

it('writes durations in two units at most', () => {
  expect([0, 59, 60, 3_600, 90_061].map(formatDuration)).toEqual(['0s', '59s', '1m', '1h0m', '1d1h'])
})

it('shows what changes the cluster, and what waits for that', () => {
  const operations: ClusterStatus['operations'] = [
    { name: 'stop a-0', state: 'running', seconds: 130 },
    { name: 'scale a=3', state: 'waiting', seconds: 4.2 },
  ]
  expect(formatStatus({ ...status, operations }).slice(2, 4)).toEqual([
    'operation   stop a-0: running for 2m',
    'operation   scale a=3: waiting for 4s',
  ])
})
