/**
 * What a realtime session costs as it goes on: one utterance of five minutes, sent as fast as it is worked on, in steps of
 * 2 s. For each step: how long until its text arrives, and the inference that it took.
 *
 *   node bench/api/realtime.mjs [--minutes 5] [--model DIR] [--max-piece-seconds 30]
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { metric, printTable, quantile, recording, startCluster } from './lib/cluster.mjs'

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    model: { type: 'string', default: 'models/demo' },
    /** Cuts the recording as another model would, instead of by the model's own rule. */
    'max-piece-seconds': { type: 'string' },
  },
})
const stepBytes = 2 * 32_000
const scratch = mkdtempSync(join(tmpdir(), 'asr-bench-model-'))
const cluster = await startCluster({ groups: [{ instances: 1, model: modelDir() }] })
const steps = []
let final
try {
  await session(60, () => {})
  final = await session(Number(options.minutes) * 60, (step) => steps.push(step))
} finally {
  await cluster.stop()
  rmSync(scratch, { recursive: true })
}
const perMinute = (what) =>
  Array.from({ length: Number(options.minutes) }, (_, minute) =>
    mean(steps.slice(minute * 30, minute * 30 + 30).map((step) => step[what])),
  )
const latencies = steps.flatMap(({ deltaMs }) => (deltaMs === null ? [] : [deltaMs]))
printTable({
  steps: steps.length,
  'steps with text': latencies.length,
  'step sent → its text, median ms': quantile(latencies, 0.5),
  'step sent → its text, 99 % ms': quantile(latencies, 0.99),
  'step sent → its text, worst ms': Math.max(...latencies),
  ...minutes('inference per step, ms', perMinute('inferenceMs')),
  ...minutes('of it encoder, ms', perMinute('encoderMs')),
  ...minutes('tokens written per step', perMinute('tokens')),
  'commit → final text, ms': final.finalMs,
  'characters of the final text': final.text.length,
})
process.exitCode = quantile(latencies, 0.99) < 1000 ? 0 : 1

async function session(seconds, onStep) {
  const socket = new WebSocket(`${cluster.url.replace('http', 'ws')}/v1/realtime?intent=transcription`)
  let onDelta = () => {}
  let onCompleted
  const completed = new Promise((resolve) => (onCompleted = resolve))
  socket.on('message', (data) => {
    const event = JSON.parse(data)
    if (event.type === 'error') throw new Error(JSON.stringify(event))
    if (event.type === 'conversation.item.input_audio_transcription.delta') onDelta()
    if (event.type === 'conversation.item.input_audio_transcription.completed') onCompleted(event)
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const send = (event) => socket.send(JSON.stringify(event))
  const input = { format: { type: 'audio/pcm', rate: 16_000 }, turn_detection: null }
  send({ type: 'session.update', session: { type: 'transcription', audio: { input } } })
  const sound = recording(seconds)
  for (let at = 0; at < sound.length; at += stepBytes) {
    const before = await inference()
    let deltaMs = null
    const startedAt = performance.now()
    onDelta = () => (deltaMs ??= performance.now() - startedAt)
    send({ type: 'input_audio_buffer.append', audio: sound.subarray(at, at + stepBytes).toString('base64') })
    const after = await settled(before)
    onStep({
      deltaMs,
      inferenceMs: (after.seconds - before.seconds) * 1000,
      encoderMs: (after.encoder - before.encoder) * 1000,
      tokens: after.tokens - before.tokens,
    })
  }
  const committedAt = performance.now()
  send({ type: 'input_audio_buffer.commit' })
  const { transcript } = await completed
  socket.close()
  return { text: transcript, finalMs: performance.now() - committedAt }
}

/** Waits until the step is through: the instance worked on it, and has done no more for a while. */
async function settled(before) {
  let last = before
  for (let quiet = 0; quiet < 4;) {
    await sleep(50)
    const now = await inference()
    quiet = now.seconds > before.seconds && now.seconds === last.seconds ? quiet + 1 : 0
    last = now
  }
  return last
}

async function inference() {
  return {
    seconds: await metric(cluster.url, 'asr_inference_seconds_total'),
    encoder: await metric(cluster.url, 'asr_inference_seconds_total', /stage="encoder"/),
    tokens: await metric(cluster.url, 'asr_tokens_total'),
  }
}

function modelDir() {
  const rule = options['max-piece-seconds']
  if (rule === undefined) return options.model
  cpSync(options.model, scratch, { recursive: true, filter: (path) => !path.endsWith('.wav') })
  writeFileSync(join(scratch, 'asr-cluster.json'), JSON.stringify({ maxPieceSeconds: Number(rule) }))
  return scratch
}

/** Time depends on what else the machine does; tokens do not. */
function minutes(what, values) {
  return Object.fromEntries(values.map((value, minute) => [`${what}, minute ${minute + 1}`, value]))
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
