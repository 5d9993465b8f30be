import { expect, it } from 'vitest'
import { noLiveLine } from '../common/output.js'
import { recordingLine, recordingOutput } from '../fixtures/recorder.js'
import { createPullProgress } from './pull-progress.js'

it('shows the speed of this try, not of what was there', () => {
  let nowMs = 0
  const line = recordingLine()
  const progress = createPullProgress(recordingOutput(), line, () => nowMs)
  progress.start('model.safetensors', 3_000_000_000)
  progress.bytes(1_000_000_000)
  nowMs = 10_000
  progress.bytes(1_500_000_000)
  expect(line.shown.at(-1)).toBe('model.safetensors: 1.50 GB of 3.00 GB, 50 %, 50.0 MB/s, 30s to go')
})

it('prints a line now and then where nobody watches', () => {
  let nowMs = 0
  const output = recordingOutput()
  const progress = createPullProgress(output, noLiveLine, () => nowMs)
  progress.start('a.json', null)
  for (; nowMs < 25_000; nowMs += 1000) progress.bytes(nowMs)
  progress.finish('done')
  expect(output.out).toHaveLength(3)
  expect(output.out[0]).toBe('a.json: 10.0 kB, 1.00 kB/s')
})
