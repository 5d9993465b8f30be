import { endianness } from 'node:os'

export interface Endpoint {
  address: string
  port: number
}

/** One TCP connection as the side sees it whose owner is asked for. */
export interface Connection {
  local: Endpoint
  remote: Endpoint
}

/** The kernel's tables of TCP sockets, in /proc/net. */
export type TableName = 'tcp' | 'tcp6'

const timeWait = '06'
const mappedPrefix = '::ffff:'

/**
 * Uid of the process that holds the local end of the connection; undefined where the table does not show it, or where
 * nobody holds it any more: the kernel then says 0, which would be root. (Format: proc_net_tcp in the kernel's
 * documentation; the uid is that of the socket's inode.)
 */
export function ownerIn(text: string, table: TableName, { local, remote }: Connection): number | undefined {
  const needle = ` ${written(local, table)} ${written(remote, table)} `
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) {
    const rest = text.slice(at + needle.length, at + needle.length + 120).split(/\s+/)
    const [state, , , , uid, , inode] = rest
    if (state !== timeWait && inode !== undefined && inode !== '0') return Number(uid)
  }
  return undefined
}

/** In which tables a connection may stand, the likely one first: a socket of IPv6 can speak to an address of IPv4. */
export function tablesOf({ local }: Connection): TableName[] {
  return isV4(local.address) ? ['tcp', 'tcp6'] : ['tcp6']
}

function isV4(address: string): boolean {
  return !address.includes(':') || address.startsWith(mappedPrefix)
}

/** As the table writes it: words of 32 bits in the order of the machine, in hexadecimal. */
function written({ address, port }: Endpoint, table: TableName): string {
  const v4 = address.startsWith(mappedPrefix) ? address.slice(mappedPrefix.length) : address
  const bytes = isV4(address)
    ? [...(table === 'tcp' ? [] : [...zeros(10), 255, 255]), ...v4.split('.').map(Number)]
    : bytesOfV6(address)
  const words: string[] = []
  for (let index = 0; index < bytes.length; index += 4) {
    const word = bytes.slice(index, index + 4)
    if (endianness() === 'LE') word.reverse()
    words.push(word.map(hexByte).join(''))
  }
  return `${words.join('')}:${hexByte(port >> 8)}${hexByte(port & 255)}`
}

function bytesOfV6(address: string): number[] {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          const value = Number.parseInt(group, 16)
          return [value >> 8, value & 255]
        })
  const [front, back] = [groups(head), groups(tail ?? '')]
  return [...front, ...zeros(16 - front.length - back.length), ...back]
}

function zeros(count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, () => 0)
}

function hexByte(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0')
}
