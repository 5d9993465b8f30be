import type { Writable } from 'node:stream'
import { cliExit } from './exit-codes.js'

/**
 * Listens for what goes wrong with the output, and says it once, on standard error. A reader that goes away
 * (`asr-cluster logs | head`) is no reason to fail. The returned function gives the exit code of a command, as it is so
 * far: a cluster is not to end because the disk of its output is full.
 */
export function watchOutput(
  streams: Readonly<Record<'stdout' | 'stderr', Writable>>,
  onFailed: () => void,
): (code: number) => number {
  let hasFailed = false
  for (const stream of [streams.stdout, streams.stderr]) {
    let isReaderGone = false
    stream.on('error', (error: NodeJS.ErrnoException) => {
      isReaderGone ||= error.code === 'EPIPE'
      if (isReaderGone || hasFailed) return
      hasFailed = true
      if (stream === streams.stdout) {
        streams.stderr.write(`asr-cluster: the output cannot be written: ${error.code ?? error.message}\n`)
      }
      onFailed()
    })
  }
  return (code) => (code === cliExit.ok && hasFailed ? cliExit.failed : code)
}
