import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { isRefusal, mayDecline, noWorkCodeIn, type NoWorkCode } from '../exchange/decline.js'
import { StrangerError } from '../upstream/failure.js'

/** Longer than any error that an instance writes. */
const mostErrorBytes = 16 * 1024

/** The instance is there, and takes no work just now. */
export class DeclinedError extends Error {
  override name = 'DeclinedError'
  readonly code: NoWorkCode

  constructor(code: NoWorkCode) {
    super(`the instance answered ${code}`)
    this.code = code
  }
}

/**
 * Ends the request with a StrangerError when whoever answers it is not the one who was asked, and with a DeclinedError
 * when the instance takes no work; unless `isLast`, as nobody else could take it then, and a refusal is passed on. By way of `emit`, because the proxy library passes an answer on in a listener of its
 * own, which no other listener can keep from it.
 */
export function judgeAnswers(
  request: ClientRequest,
  isStranger: (answer: IncomingMessage) => boolean,
  isLast: () => boolean,
): void {
  const emit = request.emit.bind(request) as (name: string | symbol, ...values: unknown[]) => boolean
  request.emit = (name: string | symbol, ...values: unknown[]): boolean => {
    if (name !== 'upgrade' && name !== 'response') return emit(name, ...values)
    const [answer, socket] = values as [IncomingMessage, Socket | undefined]
    if (isStranger(answer)) {
      answer.on('error', () => undefined)
      socket?.on('error', () => undefined)
      socket?.destroy()
      // A request that was upgraded counts as over for Node, which reports no more errors of it.
      if (name === 'upgrade') emit('error', new StrangerError())
      else request.destroy(new StrangerError())
      return true
    }
    if (name === 'upgrade') return emit(name, ...values)
    readError(answer, (code) => {
      if (code === undefined || (isRefusal(code) && isLast())) {
        emit('response', answer)
        return
      }
      emit('error', new DeclinedError(code))
      request.destroy()
    })
    return true
  }
}

/** Calls back, once, with the answer unread. */
function readError(answer: IncomingMessage, judged: (code: NoWorkCode | undefined) => void): void {
  const length = Number(answer.headers['content-length'])
  const isShort = length > 0 && length <= mostErrorBytes
  if (!isShort || !mayDecline(answer.statusCode ?? 0, answer.headers['content-type'])) {
    judged(undefined)
    return
  }
  const onReadable = (): void => {
    // Null until all of it is here.
    const body = answer.read(length) as Buffer | null
    if (body === null && !answer.destroyed) return
    answer.off('readable', onReadable)
    answer.off('close', onReadable)
    if (body) answer.unshift(body)
    judged(body ? noWorkCodeIn(body) : undefined)
  }
  answer.on('error', () => undefined)
  answer.on('readable', onReadable)
  answer.on('close', onReadable)
}
