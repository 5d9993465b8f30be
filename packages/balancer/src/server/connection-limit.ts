import type { Server, Socket } from 'node:net'

const mappedPrefix = '::ffff:'

/** Whose connection it is: an address of IPv4, or a network of IPv6 of the size that one customer is given (64 bits). */
export function sourceOf(address: string): string {
  if (address.startsWith(mappedPrefix)) return address.slice(mappedPrefix.length)
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    groups.push(...Array.from({ length: 8 - groups.length - last.length }, () => '0'), ...last)
  }
  return groups.slice(0, 4).join(':')
}

/** Resets connections beyond so many that are open from one source, before a byte of them is read. */
export function limitConnections(server: Server, perSource: number): void {
  const open = new Map<string, number>()
  server.prependListener('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress ?? '')
    const count = open.get(source) ?? 0
    if (count >= perSource) {
      socket.resetAndDestroy()
      return
    }
    open.set(source, count + 1)
    socket.once('close', () => {
      const left = (open.get(source) ?? 1) - 1
      if (left === 0) open.delete(source)
      else open.set(source, left)
    })
  })
}
