/**
 * When the first words of a recording arrive, against the whole: `stream=true` through a cluster of one instance.
 *
 *   node bench/api/first-delta.mjs [--seconds 30] [--runs 20] [--model DIR]
 */
import { parseArgs } from 'node:util'
import { printTable, quantile, recording, startCluster, toWav } from './lib/cluster.mjs'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    runs: { type: 'string', default: '20' },
    model: { type: 'string', default: 'models/demo' },
  },
})
const cluster = await startCluster({ groups: [{ instances: 1, model: options.model }] })
const audio = new Blob([toWav(recording(Number(options.seconds)))])
const runs = []
try {
  await stream()
  for (let run = 0; run < Number(options.runs); run++) runs.push(await stream())
} finally {
  await cluster.stop()
}
const shares = runs.map(({ firstMs, totalMs }) => firstMs / totalMs)
printTable({
  'seconds of sound': Number(options.seconds),
  'first delta, median ms': quantile(
    runs.map(({ firstMs }) => firstMs),
    0.5,
  ),
  'whole answer, median ms': quantile(
    runs.map(({ totalMs }) => totalMs),
    0.5,
  ),
  'first delta / whole, median': quantile(shares, 0.5),
  'first delta / whole, worst': Math.max(...shares),
  'runs with the first delta before half of the time': shares.filter((share) => share < 0.5).length,
  runs: runs.length,
})
process.exitCode = quantile(shares, 0.5) < 0.5 ? 0 : 1

async function stream() {
  const form = new FormData()
  form.set('file', audio, 'a.wav')
  form.set('stream', 'true')
  const startedAt = performance.now()
  const response = await fetch(`${cluster.url}/v1/audio/transcriptions`, { method: 'POST', body: form })
  let firstMs = 0
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (firstMs === 0 && text.includes('transcript.text.delta')) firstMs = performance.now() - startedAt
  }
  if (!text.includes('transcript.text.done')) throw new Error(text)
  return { firstMs, totalMs: performance.now() - startedAt }
}
