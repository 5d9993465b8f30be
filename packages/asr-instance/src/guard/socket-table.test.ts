import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { readSystemTable } from './owner-lookup.js'
import { ownerIn, tablesOf, type Connection } from './socket-table.js'

const connection: Connection = {
  local: { address: '127.0.0.1', port: 40_000 },
  remote: { address: '127.0.0.1', port: 7_861 },
}

const line = (local: string, remote: string, state: string, uid: number, inode: number): string =>
  `   7: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`
const [client, server] = ['0100007F:9C40', '0100007F:1EB5']

// The words of the table are in the order of the machine; these lines are of a little-endian one.
describe('the owner of a connection', () => {
  it('is that of its own end, not of the other one', () => {
    const text = line(server, client, '01', 998, 5) + line(client, server, '01', 1_000, 6)
    expect(ownerIn(text, 'tcp', connection)).toBe(1_000)
  })

  it('is nobody once its process has closed it, though the kernel writes 0', () => {
    expect(ownerIn(line(client, server, '04', 0, 0), 'tcp', connection)).toBeUndefined()
    expect(ownerIn(line(client, server, '06', 0, 7), 'tcp', connection)).toBeUndefined()
    const used = line(client, server, '06', 0, 0) + line(client, server, '08', 1_000, 9)
    expect(ownerIn(used, 'tcp', connection)).toBe(1_000)
  })

  it('is nobody where the table has other connections only', () => {
    const others = line('0100007F:9C41', server, '01', 0, 1) + line(client, '0200007F:1EB5', '01', 0, 1)
    expect(ownerIn(others, 'tcp', connection)).toBeUndefined()
    expect(ownerIn('', 'tcp', connection)).toBeUndefined()
  })

  it('is found behind a socket of IPv6 that speaks to an address of IPv4', () => {
    const mapped = (endpoint: string): string => `0000000000000000FFFF0000${endpoint}`
    const text = line(mapped(client), mapped(server), '01', 1_000, 6)
    expect(tablesOf(connection)).toEqual(['tcp', 'tcp6'])
    expect(ownerIn(text, 'tcp6', connection)).toBe(1_000)
    const written: Connection = {
      local: { address: '::ffff:127.0.0.1', port: 40_000 },
      remote: { address: '::ffff:127.0.0.1', port: 7_861 },
    }
    expect(ownerIn(text, 'tcp6', written)).toBe(1_000)
  })

  it('is found by an address of IPv6', () => {
    const v6: Connection = {
      local: { address: 'fe80::1:2%eth0', port: 1 },
      remote: { address: '::1', port: 65_535 },
    }
    const text = line(
      '000080FE000000000000000002000100:0001',
      '00000000000000000000000001000000:FFFF',
      '01',
      5,
      6,
    )
    expect(tablesOf(v6)).toEqual(['tcp6'])
    expect(ownerIn(text, 'tcp6', v6)).toBe(5)
  })
})

describe.skipIf(process.platform !== 'linux')('the table of this machine', () => {
  it.each(['127.0.0.1', '::1'])('shows who we are on %s, also after we have said our last', async (host) => {
    const listener = createServer({ allowHalfOpen: true }).listen(0, host)
    const failed = once(listener, 'error').then(() => true)
    if (await Promise.race([once(listener, 'listening').then(() => false), failed])) return
    const accepted = once(listener, 'connection') as Promise<[Socket]>
    const socket = connect({ port: (listener.address() as AddressInfo).port, host, allowHalfOpen: true })
    const [other] = await accepted
    const own: Connection = {
      local: { address: other.remoteAddress as string, port: other.remotePort as number },
      remote: { address: other.localAddress as string, port: other.localPort as number },
    }
    const table = tablesOf(own)[0] ?? 'tcp'
    expect(ownerIn(await readSystemTable(table), table, own)).toBe(process.getuid?.())
    socket.end()
    other.resume()
    await once(other, 'end')
    expect(ownerIn(await readSystemTable(table), table, own)).toBe(process.getuid?.())
    socket.destroy()
    await once(socket, 'close')
    expect(ownerIn(await readSystemTable(table), table, own)).toBeUndefined()
    other.destroy()
    listener.close()
  })
})
