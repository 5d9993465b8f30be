/**
 * sherpa-onnx-node in a process of its own, because it brings another onnxruntime. The first message says what to load,
 * each further one which clips to decode; times are taken here, without what the messages cost.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

let recognizer

process.on('message', (message) => void answer(message))

async function answer(message) {
  try {
    process.send(recognizer ? await decode(message) : await load(message))
  } catch (error) {
    process.send({ error: error instanceof Error ? error.message : String(error) })
  }
}

async function load({ nodeDir, modelDir, threads, float, maxNewTokens }) {
  const sherpa = createRequire(join(nodeDir, 'package.json'))('sherpa-onnx-node')
  const weights = float || !existsSync(join(modelDir, 'decoder.int8.onnx')) ? '' : '.int8'
  const qwen3Asr = {
    convFrontend: join(modelDir, 'conv_frontend.onnx'),
    encoder: join(modelDir, `encoder${weights}.onnx`),
    decoder: join(modelDir, `decoder${weights}.onnx`),
    tokenizer: join(modelDir, 'tokenizer'),
    ...(maxNewTokens && { maxNewTokens }),
  }
  // It ends the process without an error if a file is missing.
  for (const path of Object.values(qwen3Asr)) {
    if (typeof path === 'string' && !existsSync(path)) throw new Error(`${path} does not exist`)
  }
  recognizer = await sherpa.OfflineRecognizer.createAsync({
    featConfig: { sampleRate: 16_000, featureDim: 128 },
    modelConfig: { qwen3Asr, tokens: '', numThreads: threads, provider: 'cpu', debug: 0 },
  })
  return { version: sherpa.version, weights: weights ? 'int8' : 'float32' }
}

/** All clips at once, as its asynchronous example does it. `language`: forced, as ours does. */
async function decode({ clips, language }) {
  const started = performance.now()
  const results = await Promise.all(
    clips.map((samples) => {
      const stream = recognizer.createStream()
      if (language) stream.setOption('language', language)
      stream.acceptWaveform({ sampleRate: 16_000, samples })
      return recognizer.decodeAsync(stream)
    }),
  )
  const ms = performance.now() - started
  return { ms, answers: results.map(({ text, tokens }) => ({ text, tokens: tokens.length })) }
}
