import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { faultOf, get } from './get.js'

function listen(server: Server | TcpServer, port = 0): Promise<string> {
  onTestFinished(() => void server.close())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    )
  })
}

/** A port that is taken is passed over. */
async function firstFree(ports: readonly number[], use: (port: number) => Promise<string>): Promise<string> {
  for (const port of ports) {
    const url = await use(port).catch(() => null)
    if (url !== null) return url
  }
  throw new Error('all of them are taken')
}

const later = (): AbortSignal => AbortSignal.timeout(10_000)

const reasonOf = (url: string, signal: AbortSignal): Promise<string> =>
  get(url, { headers: {}, signal }).then(() => 'an answer', faultOf)

it('asks any port, those too that browsers do not', async () => {
  const server = createServer((request, response) =>
    response.end(`${request.url} ${request.headers['x-mine']}`),
  )
  const url = await firstFree([10_080, 6_697, 6_669, 6_668, 6_566, 5_061], (port) => listen(server, port))
  const answer = await get(`${url}/healthz`, { headers: { 'x-mine': 'yes' }, signal: later() })
  expect(answer).toEqual({ status: 200, text: '/healthz yes' })
})

it('says why there is no answer', async () => {
  const closed = createTcpServer()
  const nobody = await listen(closed)
  await new Promise((resolve) => closed.close(resolve))
  expect(await reasonOf(nobody, later())).toBe('ECONNREFUSED')
  const noHttp = await listen(createTcpServer((socket) => socket.end('no HTTP at all\r\n\r\n')))
  expect(await reasonOf(noHttp, later())).toContain('HTTP/1.1 protocol')
  const silent = createTcpServer()
  expect(await reasonOf(await listen(silent), AbortSignal.timeout(1))).toBe('nothing came in time')
  expect(faultOf(new TypeError('a fault'))).toBe('a fault')
})
