import { connect } from 'node:net'

/** Sends the bytes, says that no more will come, and returns what came back when the other side has closed. */
export function exchange(to, bytes, deadlineMs = 8_000) {
  return new Promise((resolve, reject) => {
    const socket = connect(to)
    const chunks = []
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`the connection was still open ${deadlineMs} ms after the client's end of it`))
    }, deadlineMs)
    let refused = null
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', (error) => (refused = error.code))
    socket.on('close', () => {
      clearTimeout(timer)
      if (refused === 'ECONNREFUSED' || refused === 'ENOENT') reject(new Error(`nobody listens: ${refused}`))
      else resolve(Buffer.concat(chunks))
    })
    socket.end(bytes)
  })
}

/** Status of the first answer, or what stands in its place; throws for bytes that are no HTTP. */
export function firstStatus(answer) {
  if (answer.length === 0) return 'closed'
  const match = /^HTTP\/1\.1 (\d{3}) [ -~]*\r\n/.exec(answer.toString('latin1', 0, 200))
  if (!match) throw new Error(`no HTTP: ${JSON.stringify(answer.toString('latin1', 0, 100))}`)
  return match[1]
}
