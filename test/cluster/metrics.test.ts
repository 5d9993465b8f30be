import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { startCluster } from '../harness/index.js'
import { sendClip, spokenClips } from './clients.ts'

const contract = [
  'asr_requests_total',
  'asr_request_duration_seconds',
  'asr_queue_depth',
  'asr_queue_wait_seconds',
  'asr_instance_up',
  'asr_instance_in_flight',
  'asr_instance_requests_total',
  'asr_instance_memory_bytes',
  'asr_audio_seconds_total',
  'asr_inference_seconds_total',
  'asr_tokens_total',
  'asr_batch_size',
]

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('one scrape shows the whole cluster, and counts what was done', async () => {
  const clips = await spokenClips()
  await using cluster = await startCluster()
  for (const clip of clips.slice(0, 4)) expect((await sendClip(cluster.url, clip)).status).toBe(200)
  await fetch(`${cluster.url}/made-up-by-a-scanner`)
  const text = await (await fetch(`${cluster.url}/metrics`)).text()
  for (const name of contract) expect(text).toContain(`# TYPE ${name} `)
  const series = text.split('\n')
  expect(series).toContain('asr_requests_total{route="/asr",code="200"} 4')
  for (const id of ['default-0', 'default-1']) {
    expect(series).toContain(`asr_instance_up{instance="${id}"} 1`)
    expect(series).toContain(`asr_instance_requests_total{instance="${id}",code="200"} 2`)
  }
  expect(text).not.toContain('scanner')
  const audioSeconds = series.flatMap((line) =>
    line.startsWith('asr_audio_seconds_total{') ? [Number(line.split(' ')[1])] : [],
  )
  const bytes = clips.slice(0, 4).reduce((sum, clip) => sum + clip.bytes.length - 44, 0)
  expect(audioSeconds.reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo(bytes / 32_000, 3)
})

test.skipIf(!hasPromtool())('promtool finds nothing to criticise', async () => {
  const [clip] = await spokenClips()
  await using cluster = await startCluster()
  await sendClip(cluster.url, clip!)
  const text = await (await fetch(`${cluster.url}/metrics`)).text()
  expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('')
})
