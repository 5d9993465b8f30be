/**
 * Does sherpa-onnx-node hear in the demo's evaluation clips what the engine hears? Exports the demo model, lets both
 * transcribe clip by clip in turns, and counts equal texts and word errors: whether `sherpa-export.mjs` is right.
 *
 *   node bench/engine/sherpa-agree.mjs --sherpa-node FOLDER [--threads 2] [--work DIR]
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { evalClips, samplesOf } from './lib/clips.mjs'
import { openEngine } from './lib/engine.mjs'
import { openSherpa } from './lib/sherpa.mjs'
import { counted, distance } from './lib/words.mjs'
import { exportForSherpa } from './sherpa-export.mjs'

const { values: options } = parseArgs({
  options: {
    'sherpa-node': { type: 'string', default: process.cwd() },
    threads: { type: 'string', default: '2' },
    work: { type: 'string', default: join(tmpdir(), 'asr-cluster-bench') },
  },
})
const threads = Number(options.threads)
const modelDir = fileURLToPath(new URL('../../models/demo', import.meta.url))
const cacheDir = join(options.work, 'cache')
mkdirSync(cacheDir, { recursive: true })
const clips = evalClips()

for (const quantization of ['none', 'int8']) {
  const float = quantization === 'none'
  const exported = await exportForSherpa(modelDir, join(options.work, `sherpa-demo-${quantization}`), {
    float,
  })
  const sherpa = await openSherpa({
    nodeDir: resolve(options['sherpa-node']),
    modelDir: exported,
    threads,
    float,
  })
  const engine = await openEngine({ modelDir, cacheDir, quantization, threads })
  const ours = []
  const theirs = []
  let oursMs = 0
  let theirsMs = 0
  for (const clip of clips) {
    const samples = samplesOf(clip.audio)
    const started = performance.now()
    ours.push((await transcribe(engine, samples)).text)
    oursMs += performance.now() - started
    const { ms, answers } = await sherpa.decode([samples])
    theirs.push(answers[0].text)
    theirsMs += ms
  }
  await engine.close()
  sherpa.close()
  const same = ours.filter((text, i) => text === theirs[i]).length
  const reference = clips.map((clip) => clip.reference_output.split('<asr_text>')[1])
  const asReference = theirs.filter((text, i) => text === reference[i]).length
  console.log(
    `${quantization}: ${same} of ${clips.length} texts the same (sherpa-onnx-node ${sherpa.version} and the reference: ` +
      `${asReference}); word errors: ours ${errors(ours)}, theirs ${errors(theirs)}, reference ${errors(reference)}; ` +
      `time, ours / theirs: ${(oursMs / theirsMs).toFixed(2)}`,
  )
  ours.forEach((text, i) => text !== theirs[i] && console.log(`  ours: ${text}  theirs: ${theirs[i]}`))
}

function transcribe(engine, samples) {
  async function* audio() {
    yield samples
  }
  const signal = new AbortController().signal
  return engine.transcribe(audio(), { language: null, prompt: '', temperature: 0, signal })
}

function errors(texts) {
  return texts.reduce((sum, text, i) => sum + distance(counted(clips[i].text), counted(text)), 0)
}
