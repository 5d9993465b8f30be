import { writeSync } from 'node:fs'
import { exitCodes } from '@asr-cluster/protocol'
import { destination, pino } from 'pino'
import { ConfigurationError } from './configuration-error.js'
import { createEngine } from './engine/create-engine.js'
import { runInstance } from './instance.js'
import { parseOptions, type InstanceOptions } from './options.js'
import { connectSupervisor } from './supervisor-link.js'

/** The program: reads the command line, lives, and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const writeError = (text: string) => void writeSync(2, text)
  const supervisor = connectSupervisor(process, {
    nowMs: () => performance.now(),
    every: (callback, ms) => void setInterval(callback, ms).unref(),
  })
  let options: InstanceOptions | null
  try {
    options = await parseOptions(args, (text) => void writeSync(1, text))
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    writeError(`asr-instance: ${error.message}\nTry asr-instance --help\n`)
    supervisor.send({ type: 'fatal', code: 'configuration', message: error.message })
    process.exit(exitCodes.configuration)
  }
  if (options === null) process.exit(0)
  const end = await runInstance(options, {
    env: process.env,
    supervisor,
    // Synchronous, so that the last words before a crash of native code are not lost.
    log: pino({ base: { instance: options.id } }, destination({ dest: 1, sync: true })),
    writeError,
    now: () => new Date(),
    createEngine,
    stopRequested: stopRequested(),
  })
  if (typeof end === 'number') process.exit(end)
  endBySignal(end)
}

/** The first SIGTERM or SIGINT asks; a second one does not wait. */
function stopRequested(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) endBySignal(signal)
        asked = true
        resolve()
      })
    }
  })
}

/** Ends as if the signal had never been handled: at once, without tearing down the engine's thread. */
function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
