import type { IncomingMessage } from 'node:http'
import { AsrError, clientClosed } from '@asr-cluster/protocol'
import type { Clock } from '../clock.js'
import type { Departure } from '../departure.js'
import type { Spool } from './spool.js'

export interface ReceiveOptions {
  maxBytes: number
  timeoutMs: number
  clock: Clock
  departure: Departure
}

/**
 * Reads the whole body of the request into the spool. Rejects with AsrError file_too_large (the rest is not read),
 * request_timeout or client_closed, or with the error of the disk.
 */
export async function receiveBody(
  request: IncomingMessage,
  spool: Spool,
  options: ReceiveOptions,
): Promise<void> {
  // The parser goes on after this turn: a short body is then here as a whole, and needs no listeners and no timer.
  await Promise.resolve()
  if (options.departure.gone) throw clientClosed()
  if (!request.complete) {
    await receiveStream(request, spool, options)
    return
  }
  for (let chunk = read(request); chunk !== null; chunk = read(request)) {
    if (spool.size + chunk.length > options.maxBytes) throw tooLarge(options.maxBytes)
    const busy = spool.write(chunk)
    if (busy) await busy
  }
}

function read(request: IncomingMessage): Buffer | null {
  return request.read() as Buffer | null
}

function receiveStream(request: IncomingMessage, spool: Spool, options: ReceiveOptions): Promise<void> {
  const { maxBytes, timeoutMs, clock, departure } = options
  return new Promise((resolve, reject) => {
    let lastWrite: Promise<void> | undefined
    const stop = (): void => {
      cancelTimer()
      forget()
      request.off('data', onData).off('end', onEnd).off('error', onGone)
    }
    const fail = (error: Error): void => {
      stop()
      request.pause()
      reject(error)
    }
    const onGone = (): void => fail(clientClosed())
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
    const forget = departure.onGone(onGone)
    request.on('data', onData).on('end', onEnd).on('error', onGone)
  })
}

export function tooLarge(maxBytes: number): AsrError {
  const limit = maxBytes >= 1e6 ? `${maxBytes / 1e6} MB` : `${maxBytes} bytes`
  return new AsrError('file_too_large', `The request is larger than ${limit}.`)
}
