import type { ClusterStatus, LiveStatus } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { parseMetrics } from '@asr-cluster/protocol/metrics'
import { trimWindow } from './monitor.js'
import { bar, render } from './render.js'
import type { Snapshot } from './snapshot.js'
import { buildView } from './view.js'

type Instance = ClusterStatus['instances'][number]

function instance(id: string, change: Partial<Instance> = {}): Instance {
  return {
    id,
    group: 'default',
    model: '/m/demo',
    pid: 7,
    port: 7861,
    gpu: null,
    state: 'ready',
    weight: 1,
    slots: 4,
    inFlight: 0,
    restarts: 0,
    uptimeSeconds: 5,
    lastExit: null,
    ...change,
  }
}

function cluster(instances: Instance[]): ClusterStatus {
  return {
    supervisor: { pid: 1, version: '0.1.0', uptimeSeconds: 3700 },
    balancer: { pid: 2, port: 7860, policy: 'weighted-round-robin', queueDepth: 0, inFlight: 0 },
    instances,
  }
}

function balancer(members: Partial<LiveStatus['balancer']['members'][number]>[]): LiveStatus['balancer'] {
  return {
    pid: 2,
    policy: 'weighted-round-robin',
    queueDepth: 3,
    queueMax: 10,
    inFlight: 5,
    draining: false,
    members: members.map((member) => ({
      id: 'default-0',
      state: 'up',
      inFlight: 2,
      group: 'default',
      models: [],
      weight: 1,
      slots: 4,
      ...member,
    })),
  }
}

function snapshot(atMs: number, text: string, change: Partial<Snapshot> = {}): Snapshot {
  return { atMs, cluster: null, balancer: null, metrics: parseMetrics(text), trouble: null, ...change }
}

const early = `asr_requests_total{route="/asr",code="200"} 100
asr_requests_total{route="/health",code="200"} 1000
asr_request_duration_seconds_bucket{route="/asr",le="1"} 100
asr_request_duration_seconds_bucket{route="/asr",le="+Inf"} 100
asr_instance_requests_total{instance="default-0",code="200"} 50
asr_instance_request_duration_seconds_bucket{instance="default-0",le="1"} 50
asr_instance_request_duration_seconds_bucket{instance="default-0",le="+Inf"} 50
asr_audio_seconds_total{instance="default-0"} 100
asr_inference_seconds_total{instance="default-0",stage="decode"} 10
asr_inference_seconds_total{instance="default-0",stage="encoder"} 10
`
const late = `asr_requests_total{route="/asr",code="200"} 130
asr_requests_total{route="/asr",code="503"} 10
asr_requests_total{route="/v1/audio/transcriptions",code="400"} 10
asr_requests_total{route="/health",code="200"} 9000
asr_request_duration_seconds_bucket{route="/asr",le="1"} 140
asr_request_duration_seconds_bucket{route="/asr",le="+Inf"} 140
asr_instance_requests_total{instance="default-0",code="200"} 70
asr_instance_request_duration_seconds_bucket{instance="default-0",le="1"} 70
asr_instance_request_duration_seconds_bucket{instance="default-0",le="+Inf"} 70
asr_audio_seconds_total{instance="default-0"} 140
asr_inference_seconds_total{instance="default-0",stage="decode"} 13
asr_inference_seconds_total{instance="default-0",stage="encoder"} 11
asr_instance_memory_bytes{instance="default-0"} 250000000
asr_cpu_utilization_ratio 0.5
asr_gpu_utilization_ratio{gpu="0"} 0.75
asr_gpu_memory_used_bytes{gpu="0"} 10000000000
asr_gpu_memory_total_bytes{gpu="0"} 24000000000
asr_gpu_temperature_celsius{gpu="0"} 62
`

describe('buildView', () => {
  it('takes rates of the work between two snapshots', () => {
    const state = { cluster: cluster([instance('default-0', { restarts: 2 })]), balancer: balancer([{}]) }
    const view = buildView(snapshot(1000, early), snapshot(11_000, late, state))
    expect(view).toMatchObject({
      version: '0.1.0',
      windowSeconds: 10,
      requestsPerSecond: 5,
      failuresPerSecond: 1,
      p50Seconds: 0.5,
      p95Seconds: 0.95,
      inFlight: 5,
      queueDepth: 3,
      audioSecondsPerSecond: 4,
      realTimeFactor: 0.1,
      cpuShare: 0.5,
      gpus: [{ gpu: '0', utilization: 0.75, usedBytes: 10e9, totalBytes: 24e9, temperatureCelsius: 62 }],
    })
    expect(view.instances).toEqual([
      {
        id: 'default-0',
        state: 'ready',
        note: null,
        inFlight: 2,
        slots: 4,
        requestsPerSecond: 2,
        p50Seconds: 0.5,
        p95Seconds: 0.95,
        realTimeFactor: 0.1,
        memoryBytes: 250e6,
        restarts: 2,
      },
    ])
  })

  it('says why an instance gets nothing', () => {
    const lastExit = { at: '', code: null, signal: 'SIGKILL', reason: 'killed by SIGKILL', stderr: [] }
    const state = {
      cluster: cluster([
        instance('default-0', { lastExit }),
        instance('default-1', { state: 'backoff', lastExit }),
        instance('default-2'),
      ]),
      balancer: balancer([{}, { id: 'default-2', state: 'ejected', reason: 'refused' }]),
    }
    const { instances } = buildView(snapshot(0, ''), snapshot(1, '', state))
    expect(instances.map(({ state: name, note }) => [name, note])).toEqual([
      ['ready', null],
      ['backoff', 'killed by SIGKILL'],
      ['ejected', 'refused'],
    ])
  })

  it('knows the members of a balancer that runs alone, and of a dead one what the supervisor says', () => {
    const alone = buildView(snapshot(0, ''), snapshot(1, '', { balancer: balancer([{ id: 'upstream-0' }]) }))
    expect(alone).toMatchObject({
      version: null,
      instances: [{ id: 'upstream-0', state: 'up', restarts: null }],
    })
    const state = { cluster: cluster([instance('default-0')]), trouble: 'no answer' }
    expect(buildView(snapshot(0, ''), snapshot(1, '', state))).toMatchObject({
      inFlight: 0,
      trouble: 'no answer',
      p50Seconds: null,
      realTimeFactor: null,
      instances: [{ id: 'default-0', state: 'ready' }],
    })
  })
})

describe('render', () => {
  const many = cluster(
    Array.from({ length: 40 }, (_, i) =>
      instance(`a-group-with-a-long-name-${i}`, {
        inFlight: 12,
        slots: 16,
        restarts: 123,
        state: 'draining',
      }),
    ),
  )
  const wide = buildView(
    snapshot(0, early),
    snapshot(60_000, late, { cluster: many, balancer: balancer([]) }),
  )

  it('fits into 80 columns and the rows that there are', () => {
    const options = { columns: 80, rows: 24, hasColours: false }
    const lines = render({ ...wide, trouble: 'x'.repeat(200) }, `http://${'h'.repeat(100)}:7860`, options)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(lines.join('\n')).toMatch(/… and \d\d more/)
  })

  it('shows an instance in a line, and colours only where asked for', () => {
    const state = { cluster: cluster([instance('default-0', { restarts: 2 })]), balancer: balancer([{}]) }
    const view = buildView(snapshot(0, early), snapshot(10_000, late, state))
    const plain = render(view, 'http://u', { columns: 80, rows: Infinity, hasColours: false })
    expect(plain[0]).toBe('asr-cluster 0.1.0  http://u  up 1h1m  weighted-round-robin')
    expect(plain[1]).toBe('5.0 requests/s  1.0 failed/s  p50 500 ms  p95 950 ms  in flight 5  queued 3')
    expect(plain).toContain('default-0      ready    ██░░ 2/4      2.0 500 ms 950 ms  0.100  250 MB        2')
    expect(plain.at(-1)).toBe('GPU 0  ███████▌░░ 75 %  memory 10.0 GB of 24.0 GB  62 °C')
    const coloured = render(view, 'http://u', { columns: 80, rows: Infinity, hasColours: true })
    expect(coloured.join('\n')).toContain('\u001b[')
    expect(plain.join('\n')).not.toContain('\u001b[')
  })

  it('draws bars to an eighth', () => {
    expect([0, 0.5, 1, 2, -1, 0.5625].map((ratio) => bar(ratio, 2))).toEqual([
      '░░',
      '█░',
      '██',
      '██',
      '░░',
      '█▏',
    ])
  })
})

describe('trimWindow', () => {
  it('keeps one as old as the window, and of no use are those without counters', () => {
    const at = (ms: number, text = early) => snapshot(ms, text)
    const past = [at(0), at(2000), at(4000), at(6000, ''), at(8000)]
    expect(trimWindow(past, 9000).map(({ atMs }) => atMs)).toEqual([0, 2000, 4000, 8000])
    expect(trimWindow(past, 12_500).map(({ atMs }) => atMs)).toEqual([2000, 4000, 8000])
    expect(trimWindow(past, 99_000).map(({ atMs }) => atMs)).toEqual([8000])
    expect(trimWindow([at(0, '')], 99_000).map(({ atMs }) => atMs)).toEqual([0])
  })
})
