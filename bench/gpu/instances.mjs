/**
 * One instance with many slots against several with fewer on the same GPU: audio seconds per second and latency of whole
 * requests through the balancer, the set-ups one after the other in short turns, the best turn of each.
 *
 *   node bench/gpu/instances.mjs [--setups 1x16,2x8,4x4] [--clients 16] [--seconds 10] [--turns 2]
 *                                [--model DIR | --size 0.6B] [--device webgpu] [--quantization fp16]
 *                                [--tokens 40] [--cache DIR] [--driver system|lavapipe|swiftshader]
 *
 * A model with random weights (`--size`) ends an answer by chance or not at all: it writes `--tokens` at most.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { quantile, recording, startCluster, toWav } from '../api/lib/cluster.mjs'
import { writeRandomCheckpoint } from '../engine/random-checkpoint.mjs'
import { demo, demoClip } from './lib/check-answers.mjs'
import { findDriver, wrapDriver } from './lib/vulkan-driver.mjs'

const { values: options } = parseArgs({
  options: {
    setups: { type: 'string', default: '1x16,2x8,4x4' },
    clients: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '10' },
    turns: { type: 'string', default: '2' },
    model: { type: 'string' },
    size: { type: 'string' },
    tokens: { type: 'string', default: '40' },
    device: { type: 'string', default: 'webgpu' },
    quantization: { type: 'string', default: 'fp16' },
    cache: { type: 'string' },
    driver: { type: 'string', default: 'system' },
  },
})
const scratch = mkdtempSync(join(tmpdir(), 'asr-gpu-instances-'))
const env = { XDG_CACHE_HOME: options.cache ?? scratch, ...driverEnv() }
const model = modelDir()
// The demo hears its own clips, a large model 11 s of them.
const clips = options.size
  ? [toWav(recording(11))]
  : Array.from({ length: 16 }, (_, index) => readFileSync(demoClip(index)))
const best = new Map()
try {
  for (let turn = 0; turn < Number(options.turns); turn++) {
    for (const setup of options.setups.split(',')) {
      const result = await takeTurn(...setup.split('x').map(Number))
      const known = best.get(setup)
      if (!known || known.rate < result.rate) best.set(setup, result)
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(
  `\n${model}, ${options.quantization} on ${options.device} (${options.driver}), ${options.clients} clients\n`,
)
console.log('| instances × slots | audio s/s | requests | p50 | p95 |')
console.log('| --- | --- | --- | --- | --- |')
for (const [setup, { rate, requests, p50, p95 }] of best) {
  console.log(
    `| ${setup.replace('x', ' × ')} | ${rate.toFixed(1)} | ${requests} | ${p50.toFixed(2)} s | ${p95.toFixed(2)} s |`,
  )
}

async function takeTurn(instances, slots) {
  const { device, quantization } = options
  const gpus = options.driver === 'system' ? [0] : 'none'
  const group = { model, instances, slots, quantization, env, ...(gpus === 'none' ? {} : { gpus }), device }
  const cluster = await startCluster({ groups: [group] })
  try {
    await untilReady(cluster, instances)
    // Shaders are compiled for each shape that comes.
    await load(cluster.url, 2)
    return await load(cluster.url, Number(options.seconds))
  } finally {
    await cluster.stop()
  }
}

async function load(url, seconds) {
  const until = performance.now() + 1000 * seconds
  const times = []
  let audioSeconds = 0
  let next = 0
  const client = async () => {
    while (performance.now() < until) {
      const clip = clips[next++ % clips.length]
      const started = performance.now()
      const form = new FormData()
      form.append('audio', new Blob([clip]), 'clip.wav')
      const answer = await fetch(`${url}/asr`, { method: 'POST', body: form })
      if (!answer.ok) throw new Error(`status ${answer.status}: ${await answer.text()}`)
      await answer.text()
      times.push((performance.now() - started) / 1000)
      audioSeconds += (clip.length - 44) / 32_000
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: Number(options.clients) }, client))
  const rate = audioSeconds / ((performance.now() - started) / 1000)
  return { rate, requests: times.length, p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
}

async function untilReady(cluster, count) {
  for (;;) {
    const { instances } = await cluster.status()
    const failed = instances.find(({ state }) => state === 'failed')
    if (failed) throw new Error(failed.lastExit.reason)
    if (instances.filter(({ state }) => state === 'ready').length === count) return
  }
}

function driverEnv() {
  if (options.driver === 'system') return {}
  const manifest = findDriver(options.driver)
  if (manifest === undefined) throw new Error(`${options.driver} is not installed`)
  return wrapDriver(manifest, scratch)
}

function modelDir() {
  if (options.model) return options.model
  if (!options.size) return demo
  const dir = join(tmpdir(), 'asr-cluster-bench', options.size)
  if (!existsSync(join(dir, 'config.json'))) writeRandomCheckpoint(options.size, dir)
  const generation = join(dir, 'generation_config.json')
  const settings = JSON.parse(readFileSync(generation, 'utf8'))
  writeFileSync(generation, JSON.stringify({ ...settings, max_new_tokens: Number(options.tokens) }))
  return dir
}
