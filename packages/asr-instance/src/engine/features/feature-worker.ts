import { parentPort } from 'node:worker_threads'
import { LogMelExtractor } from './log-mel.js'

// Features of what is sent, in order (feature-threads.ts).
const port = parentPort!
const extractor = new LogMelExtractor()

port.on('message', (samples: Float32Array) => {
  const mel = extractor.extract(samples)
  port.postMessage(mel, [mel.values.buffer as ArrayBuffer])
})
