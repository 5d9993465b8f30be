import type { IncomingMessage, ServerResponse } from 'node:http'

const lingerMs = 5_000

/**
 * Call after answering a request whose body was not read. A socket that is closed with unread data in it is reset,
 * and the client may lose the answer; so the rest is read and thrown away, for a while.
 */
export function discardBody(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return
  req.unpipe()
  req.on('error', () => {})
  req.resume()
  const { socket } = req
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  timer.unref()
  // The answer's end says nothing: it is sent already, while the body may go on for ever.
  const settle = () => {
    clearTimeout(timer)
    socket.off('close', settle)
  }
  req.once('end', settle)
  socket.once('close', settle)
}

/** Requests whose client waits for `100 Continue` before it sends the body. */
const waitingForContinue = new WeakSet<IncomingMessage>()

export function expectContinue(req: IncomingMessage): void {
  waitingForContinue.add(req)
}

/** Tells such a client that its body is wanted; without this call it never sends it. */
export function allowBody(req: IncomingMessage, res: ServerResponse): void {
  if (waitingForContinue.delete(req)) res.writeContinue()
}

/** True if the client has not been told to send its body: there is nothing to discard. */
export function bodyNeverStarted(req: IncomingMessage): boolean {
  return waitingForContinue.has(req)
}
