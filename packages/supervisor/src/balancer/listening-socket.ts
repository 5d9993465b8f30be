import net from 'node:net'
import { describePortHolder } from '../process/process-table.js'

export interface ListeningSocket {
  readonly fd: number
  readonly port: number
  close(): void
}

export class PortTakenError extends Error {
  override name = 'PortTakenError'
}

interface Handle {
  readonly fd: number
  getsockname(out: { port?: number }): number
  close(): void
}

const addressTypes = { 4: 4, 6: 6, 0: 4 } as const

/**
 * Binds the port that clients use, and holds it over all lives of the balancer. The balancer listens on the
 * descriptor; while it is dead the kernel goes on queueing connections, because our copy keeps the socket open.
 * Node has no public call for "bind, but do not accept"; this is the one that its cluster module uses.
 * Throws PortTakenError, or the error of the system.
 */
export function bindListeningSocket(host: string, port: number): ListeningSocket {
  const address = host === 'localhost' ? '127.0.0.1' : host
  const type = addressTypes[net.isIP(address) as 0 | 4 | 6]
  const { _createServerHandle: createHandle } = net as unknown as {
    _createServerHandle: (host: string, port: number, type: number) => Handle | number
  }
  const handle = createHandle(address, port, type)
  if (typeof handle === 'number') {
    throw new Error(
      `cannot bind ${host}:${port} (system error ${handle}); is the address one of this machine?`,
    )
  }
  const bound: { port?: number } = {}
  handle.getsockname(bound)
  // libuv keeps EADDRINUSE back until listen(), so a taken port shows only as a socket without an address.
  if (!bound.port) {
    handle.close()
    throw new PortTakenError(`port ${port} is held by ${describePortHolder(port)}`)
  }
  return { fd: handle.fd, port: bound.port, close: () => handle.close() }
}
