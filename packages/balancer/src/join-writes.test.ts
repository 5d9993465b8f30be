import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { joinShortWrites } from './join-writes.js'

type Piece = [chunk: string | Buffer, encoding?: BufferEncoding | undefined]

/** What arrives of pieces that were written together, and in how many writes they left. */
async function sendTogether(pieces: Piece[]): Promise<{ received: Buffer; writes: number }> {
  const chunks: Buffer[] = []
  const server = createServer((socket) =>
    socket.on('data', (chunk) => chunks.push(chunk)).on('end', () => socket.end()),
  )
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  joinShortWrites(socket)
  const write = vi.spyOn(socket, '_write')
  socket.cork()
  for (const [chunk, encoding] of pieces) socket.write(chunk, encoding)
  socket.uncork()
  socket.end()
  socket.resume()
  await once(socket, 'close')
  return { received: Buffer.concat(chunks), writes: write.mock.calls.length }
}

const head = 'POST / HTTP/1.1\r\nx: \u00e9\u00ff\r\n\r\n'

it('sends a head and a short body as one piece, byte for byte', async () => {
  const body = randomBytes(2_000)
  const { received, writes } = await sendTogether([[head, 'latin1'], [body]])
  expect(received).toEqual(Buffer.concat([Buffer.from(head, 'latin1'), body]))
  expect(writes).toBe(1)
})

it.each<[string, Buffer, BufferEncoding]>([
  ['a long body', randomBytes(100_000), 'latin1'],
  ['a head with other characters', randomBytes(100), 'utf8'],
])('leaves %s as it is', async (_, body, encoding) => {
  const { received, writes } = await sendTogether([[head, encoding], [body]])
  expect(received).toEqual(Buffer.concat([Buffer.from(head, encoding), body]))
  expect(writes).toBe(0)
})
