import type { IncomingMessage } from 'node:http'
import { AsrError } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import type { Spool } from './spool.js'

export interface ReceiveOptions {
  maxBytes: number
  timeoutMs: number
  clock: Clock
  signal: AbortSignal
}

/**
 * Reads the whole body of the request into the spool. Rejects with AsrError file_too_large (the rest is not read),
 * request_timeout or client_closed, or with the error of the disk.
 */
export function receiveBody(request: IncomingMessage, spool: Spool, options: ReceiveOptions): Promise<void> {
  const { maxBytes, timeoutMs, clock, signal } = options
  return new Promise((resolve, reject) => {
    let lastWrite: Promise<void> | undefined
    const stop = (): void => {
      cancelTimer()
      signal.removeEventListener('abort', onAbort)
      request.off('data', onData).off('end', onEnd).off('error', onAbort)
    }
    const fail = (error: Error): void => {
      stop()
      request.pause()
      reject(error)
    }
    const onAbort = (): void => fail(new AsrError('client_closed', 'The client closed the connection.'))
    const onData = (chunk: Buffer): void => {
      if (spool.size + chunk.length > maxBytes) {
        fail(tooLarge(maxBytes))
        return
      }
      const busy = spool.write(chunk)
      if (!busy || busy === lastWrite) return
      lastWrite = busy
      request.pause()
      busy.then(() => request.resume(), fail)
    }
    const onEnd = (): void => {
      stop()
      if (lastWrite) lastWrite.then(resolve, reject)
      else resolve()
    }
    const cancelTimer = clock.after(timeoutMs, () =>
      fail(new AsrError('request_timeout', `The body did not arrive within ${timeoutMs / 1_000} s.`)),
    )
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    request.on('data', onData).on('end', onEnd).on('error', onAbort)
  })
}

export function tooLarge(maxBytes: number): AsrError {
  const limit = maxBytes >= 1e6 ? `${maxBytes / 1e6} MB` : `${maxBytes} bytes`
  return new AsrError('file_too_large', `The request is larger than ${limit}.`)
}
