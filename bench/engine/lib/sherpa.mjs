import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Starts sherpa-onnx-node. `nodeDir`: the folder in which it was installed; `modelDir`: conv_frontend.onnx and the rest;
 * `float`: float32 weights even where the folder has 8-bit ones.
 */
export async function openSherpa(options) {
  const program = fork(fileURLToPath(new URL('sherpa-process.mjs', import.meta.url)), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let log = ''
  program.stderr.on('data', (chunk) => (log = (log + chunk).slice(-2000)))
  const ended = once(program, 'exit').then(([code]) => {
    throw new Error(`sherpa-onnx-node ended with ${code}: ${log}`)
  })
  // Wherever it is not waited for, it is the end that was asked for.
  ended.catch(() => {})
  const ask = async (message) => {
    program.send(message)
    const [answer] = await Promise.race([once(program, 'message'), ended])
    if (answer.error) throw new Error(`sherpa-onnx-node: ${answer.error}`)
    return answer
  }
  const { version, weights } = await ask(options)
  return {
    version,
    weights,
    /** Milliseconds, and `{ text, tokens }` of each clip. */
    decode: (clips, language) => ask({ clips, language }),
    close: () => program.kill('SIGKILL'),
  }
}
