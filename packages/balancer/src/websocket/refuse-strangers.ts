import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Ends the request with an error when whoever answers it is not the one who was asked. By way of `emit`, because the
 * proxy library passes an answer on in a listener of its own, which no other listener can keep from it.
 */
export function refuseStrangers(
  request: ClientRequest,
  isStranger: (answer: IncomingMessage) => boolean,
  error: Error,
): void {
  const emit = request.emit.bind(request) as (name: string | symbol, ...values: unknown[]) => boolean
  request.emit = (name: string | symbol, ...values: unknown[]): boolean => {
    if (name !== 'upgrade' && name !== 'response') return emit(name, ...values)
    const [answer, socket] = values as [IncomingMessage, Socket | undefined]
    if (!isStranger(answer)) return emit(name, ...values)
    answer.on('error', () => undefined)
    socket?.on('error', () => undefined)
    socket?.destroy()
    // A request that was upgraded counts as over for Node, which reports no more errors of it.
    if (name === 'upgrade') emit('error', error)
    else request.destroy(error)
    return true
  }
}
