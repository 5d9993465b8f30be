import { expect, test } from 'vitest'
import { parseMetrics } from '@asr-cluster/protocol/metrics'
import { ratesBetween, type Scrape } from './rates.js'

function scrape(atMs: number, lines: readonly string[]): Scrape {
  return { atMs, metrics: parseMetrics(lines.join('\n')) }
}

test('counts work between two scrapes, and nothing else', () => {
  const from = scrape(0, [
    'asr_requests_total{route="/asr",code="200"} 10',
    'asr_requests_total{route="/metrics",code="200"} 100',
    'asr_request_duration_seconds_bucket{le="1",route="/asr"} 10',
    'asr_request_duration_seconds_bucket{le="+Inf",route="/asr"} 10',
    'asr_audio_seconds_total{instance="a"} 100',
    'asr_inference_seconds_total{stage="decode",instance="a"} 10',
  ])
  const to = scrape(2_000, [
    'asr_requests_total{route="/asr",code="200"} 14',
    'asr_requests_total{route="/asr",code="503"} 2',
    'asr_requests_total{route="/metrics",code="200"} 900',
    'asr_request_duration_seconds_bucket{le="1",route="/asr"} 14',
    'asr_request_duration_seconds_bucket{le="+Inf",route="/asr"} 16',
    'asr_audio_seconds_total{instance="a"} 120',
    'asr_inference_seconds_total{stage="decode",instance="a"} 12',
  ])
  expect(ratesBetween(from, to)).toEqual({
    atMs: 2_000,
    requestsPerSecond: 3,
    errorsPerSecond: 1,
    latencyP50: 0.75,
    latencyP95: 1,
    realTimeFactor: 0.1,
    audioSecondsPerSecond: 10,
  })
})

test('a counter that began anew counts from nought', () => {
  const from = scrape(0, ['asr_audio_seconds_total{instance="a"} 100'])
  const to = scrape(1_000, ['asr_audio_seconds_total{instance="a"} 5'])
  expect(ratesBetween(from, to).audioSecondsPerSecond).toBe(5)
})

test('an idle time has no latency and no factor', () => {
  const idle = scrape(0, ['asr_audio_seconds_total{instance="a"} 100'])
  expect(ratesBetween(idle, { ...idle, atMs: 1_000 })).toMatchObject({
    requestsPerSecond: 0,
    latencyP95: null,
    realTimeFactor: null,
  })
})
