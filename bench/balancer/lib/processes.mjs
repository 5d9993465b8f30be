import { spawn } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** Starts a program that does not outlive this one. */
export function start(file, args, options = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options })
  children.add(child)
  child.exited = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      children.delete(child)
      resolve(code ?? signal)
    })
  })
  child.on('error', (error) => {
    console.error(`${file}: ${error.message}`)
    process.exit(1)
  })
  return child
}

export const pathOf = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url))
export const balancerBin = pathOf('../../packages/balancer/bin/asr-balancer.js')
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A port that was free a moment ago. */
export async function freePort() {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Bound, and never accepted on by this process. */
export function bindSocket() {
  const handle = net._createServerHandle('127.0.0.1', 0, 4)
  const bound = {}
  handle.getsockname(bound)
  return { fd: handle.fd, port: bound.port }
}

/** Waits until something accepts connections on the port. */
export async function untilListening(port, deadlineMs = 10_000) {
  const until = performance.now() + deadlineMs
  while (performance.now() < until) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(20)
  }
  throw new Error(`nothing listens on port ${port}`)
}
