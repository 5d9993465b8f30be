import net from 'node:net'
import { isLoopback } from '@asr-cluster/protocol'
import { MachineMismatchError } from '../config/config-error.js'
import { describePortHolder } from '../process/process-table.js'

export interface ListeningSocket {
  readonly fd: number
  readonly port: number
  /** Somebody else holds it too: connections wait in it while there is no supervisor. */
  readonly isInherited: boolean
  close(): void
}

export class PortTakenError extends Error {
  override name = 'PortTakenError'
}

/** The first descriptor that systemd passes, sd_listen_fds(3). */
const firstInheritedFd = 3

interface Handle {
  readonly fd: number
  getsockname(out: { port?: number; address?: string }): number
  close(): void
}

const { _createServerHandle: createHandle } = net as unknown as {
  _createServerHandle: (
    host: string | null,
    port: number | null,
    type: number | null,
    fd?: number,
  ) => Handle | number
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
  return { fd: handle.fd, port: bound.port, isInherited: false, close: () => handle.close() }
}

/**
 * The socket that whoever started us opened for us (`LISTEN_FDS`, as systemd does), or null. It outlives us, so that the
 * next supervisor finds the connections that came in between. The variables are taken out of `env`: it is not for
 * children. Throws MachineMismatchError if it is not the configured one.
 */
export function adoptListeningSocket(
  env: NodeJS.ProcessEnv,
  { host, port }: { host: string; port: number },
): ListeningSocket | null {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  if (pid !== String(process.pid) || !(Number(count) >= 1)) return null
  if (Number(count) > 1) {
    throw new MachineMismatchError(
      `${count} sockets were handed to us (LISTEN_FDS); there is one port for clients`,
    )
  }
  const handle = createHandle(null, null, null, firstInheritedFd)
  const bound: { port?: number; address?: string } = {}
  if (typeof handle === 'number' || handle.getsockname(bound) !== 0 || !bound.port) {
    throw new MachineMismatchError('what was handed to us (LISTEN_FDS) is not a TCP socket')
  }
  if (port !== 0 && bound.port !== port) {
    handle.close()
    throw new MachineMismatchError(
      `the socket that was handed to us is on port ${bound.port}, and balancer.port is ${port}: make them the same`,
    )
  }
  // Whether keys are needed was judged by balancer.host.
  if (isLoopback(host) && !isLoopback(bound.address ?? '')) {
    handle.close()
    throw new MachineMismatchError(
      `the socket that was handed to us is on ${bound.address}, which other machines can reach, and balancer.host is ${host}`,
    )
  }
  return { fd: firstInheritedFd, port: bound.port, isInherited: true, close: () => handle.close() }
}
