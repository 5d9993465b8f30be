import { tryRun } from './processes.mjs'

const get = (headers) => `GET /health HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`
/** What somebody might say to a port to get an answer out of it. */
const words = {
  'a request': get(''),
  'a probe': get('x-asr-probe: 1\r\n'),
  'a guessed proof': get(`x-asr-caller: ${'A'.repeat(43)}\r\n`),
  'an upload': 'POST /asr HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  'a WebSocket':
    'GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  nonsense: 'nonsense\r\n\r\n',
}

// On a command line, because another user may not read the files of this repository. Prints the bytes that came back.
const program = `
  const [address, port, text] = process.argv.slice(1)
  let bytes = 0
  const end = () => { console.log(bytes); process.exit() }
  const socket = require('net').connect(Number(port), address, () => socket.write(text))
  socket.on('data', (chunk) => (bytes += chunk.length)).on('close', end).on('error', () => {})
  setTimeout(end, 2000)`

/**
 * Which of these words a port answers with a byte or more. `as` makes of a command one that another user runs, or that
 * runs elsewhere. Throws if it cannot be run there, which is not the same as no answer.
 */
export function answered(as, address, port) {
  return Object.keys(words).filter((name) => {
    const [file, ...args] = as(process.execPath, '-e', program, address, String(port), words[name])
    const bytes = tryRun(file, ...args)
    if (bytes === null || !/^\d+$/.test(bytes.trim())) throw new Error(`cannot run ${file} ${args[0]}`)
    return Number(bytes) > 0
  })
}
