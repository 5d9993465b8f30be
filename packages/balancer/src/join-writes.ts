import type { Socket } from 'node:net'

/** Up to this size the runtime writes a string from its stack, without a buffer of its own. */
const mostBytes = 16 * 1024

/**
 * Makes a socket send what belongs together, a head and a short body, as one string. Node would hand them to the system as
 * two pieces, which for short messages costs more than the copy: a tenth of the whole request (bench/balancer/compare.mjs).
 */
export function joinShortWrites(socket: Socket): void {
  const writeMany = socket._writev?.bind(socket)
  if (!writeMany) return
  socket._writev = (chunks, callback) => {
    const joined = join(chunks)
    if (joined === undefined) writeMany(chunks, callback)
    else socket._write(joined, 'latin1', callback)
  }
}

/** The chunks as a string of bytes; undefined when they are too long or hold other characters. */
function join(chunks: readonly { chunk: unknown; encoding: string }[]): string | undefined {
  let joined = ''
  for (const { chunk, encoding } of chunks) {
    if (typeof chunk === 'string' && encoding === 'latin1') joined += chunk
    else if (Buffer.isBuffer(chunk) && chunk.length <= mostBytes) joined += chunk.toString('latin1')
    else return undefined
    if (joined.length > mostBytes) return undefined
  }
  return joined
}
