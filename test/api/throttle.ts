import { connect, createServer, type AddressInfo } from 'node:net'

export interface Throttle extends AsyncDisposable {
  url: string
  /** Resolves once so many bytes of a client have passed; those after them are held back. */
  reached: Promise<void>
}

/** A TCP proxy that lets a client send `bytes` and no more: an upload through it is certain to be unfinished. */
export async function startThrottle(port: number, bytes: number): Promise<Throttle> {
  let reach: () => void = () => {}
  const reached = new Promise<void>((resolve) => (reach = resolve))
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let passed = 0
    client.on('data', (chunk: Buffer) => {
      passed += chunk.length
      upstream.write(chunk)
      if (passed < bytes) return
      // Reads on, because a client that is not read from does not notice when it is closed.
      client.removeAllListeners('data').resume()
      reach()
    })
    upstream.pipe(client)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    reached,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
