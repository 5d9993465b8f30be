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

// On a command line, because another user may not read the files of this repository. Prints how many bytes each word got.
const program = `
  const [address, port, words] = process.argv.slice(1)
  const knock = (text) => new Promise((resolve) => {
    let bytes = 0
    const end = () => resolve(bytes)
    const socket = require('net').connect(Number(port), address, () => socket.write(text))
    socket.on('data', (chunk) => (bytes += chunk.length)).on('close', end).on('error', () => {})
    setTimeout(end, 2000)
  })
  Promise.all(JSON.parse(words).map(knock)).then((counts) => {
    console.log(JSON.stringify(counts))
    process.exit()
  })`

/**
 * Which of these words a port answers with a byte or more. `as` makes of a command one that another user runs, or that
 * runs elsewhere. Throws if it cannot be run there, which is not the same as no answer.
 */
export function answered(as, address, port) {
  const texts = JSON.stringify(Object.values(words))
  const [file, ...args] = as(process.execPath, '-e', program, address, String(port), texts)
  const printed = tryRun(file, ...args)
  if (printed === null) throw new Error(`cannot run ${file} ${args[0]}`)
  const counts = JSON.parse(printed)
  return Object.keys(words).filter((_name, index) => counts[index] > 0)
}
