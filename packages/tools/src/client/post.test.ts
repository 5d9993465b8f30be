import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { gate } from '../fixtures/gate.js'
import { serve } from '../fixtures/serve.js'
import { multipart, type Multipart } from './multipart.js'
import { post } from './post.js'

function body(size: number, onRead: () => void = () => {}): Multipart {
  async function* read(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < size; sent += 1e5) {
      onRead()
      yield new Uint8Array(Math.min(1e5, size - sent))
    }
  }
  return multipart({}, { field: 'file', fileName: 'a.wav', size, read })
}

describe('post', () => {
  it('sends all and returns status, headers and text', async () => {
    const server = await serve((request, response) => {
      void text(request).then((received) => {
        response.setHeader('x-length', received.length)
        response.end('thanks')
      })
    })
    const sent = body(2_500_000)
    const answer = await post(server.url, sent)
    expect(answer).toMatchObject({ status: 200, body: 'thanks' })
    expect(answer.headers['x-length']).toBe(sent.headers['content-length'])
  })

  it('asks before a large body: a refusal costs no upload', async () => {
    const server = await serve(() => {})
    server.server.on('checkContinue', (_request, response) => response.writeHead(413).end('too large'))
    let wasRead = false
    const answer = await post(
      server.url,
      body(50_000_000, () => (wasRead = true)),
    )
    expect(answer).toMatchObject({ status: 413, body: 'too large' })
    expect(wasRead).toBe(false)
  })

  it('sends to a server that never says continue', async () => {
    const server = await serve(() => {})
    server.server.on('checkContinue', (request, response) => {
      void text(request).then(() => response.end('ok'))
    })
    expect(await post(server.url, body(1_500_000))).toMatchObject({ status: 200, body: 'ok' })
  })

  it('returns the answer of a server that stops reading', async () => {
    const server = await serve((request, response) => {
      request.once('data', () => {
        request.pause()
        response.writeHead(400).end('enough')
      })
    })
    expect(await post(server.url, body(900_000))).toMatchObject({ status: 400, body: 'enough' })
  })

  it('rejects with the error of the source, not with the broken connection', async () => {
    const server = await serve(() => {})
    const broken = multipart(
      {},
      {
        field: 'file',
        fileName: 'a',
        size: 10,
        async *read() {
          yield new Uint8Array(1)
          throw new Error('disk on fire')
        },
      },
    )
    await expect(post(server.url, broken)).rejects.toThrow('disk on fire')
  })

  it('ends with the reason of the signal, and closes the connection', async () => {
    const received = gate()
    const closed = gate()
    const server = await serve((request) => {
      request.once('close', closed.open)
      received.open()
    })
    const controller = new AbortController()
    const answer = post(server.url, body(10), { signal: controller.signal })
    await received.opened
    controller.abort(new Error('no longer wanted'))
    await expect(answer).rejects.toThrow('no longer wanted')
    await closed.opened
  })
})
