import { hashApiKey } from '@asr-cluster/protocol'
import { request } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor } from '../fixtures/cluster.js'
import { makeGate } from '../fixtures/gate.js'
import { json } from '../fixtures/upstream.js'

/** Bodies in the order of service: one of `bold` runs and three wait when that of `quiet` comes. */
async function servedOrder(
  apiKeyHashes: string[],
  bold: (count: number) => Record<string, string>,
  quiet: Record<string, string>,
): Promise<string[]> {
  const go = makeGate()
  const order: string[] = []
  const cluster = await startCluster(
    [
      (_, response, body) => {
        order.push(body.toString())
        void go.opened.then(() => json(response, 200, { text: 'a' }))
      },
    ],
    { deps: { apiKeyHashes } },
  )
  const send = async (headers: Record<string, string>, body: string): Promise<number> => {
    const answer = await request(`${cluster.url}/asr`, { method: 'POST', body, headers, reset: true })
    await answer.body.dump()
    return answer.statusCode
  }
  const sent: Promise<number>[] = []
  for (let count = 0; count < 4; count += 1) {
    sent.push(send(bold(count), `bold ${count}`))
    await waitFor(() => order.length === 1 && cluster.balancer.stats().queueDepth === count)
  }
  sent.push(send(quiet, 'quiet'))
  await waitFor(() => cluster.balancer.stats().queueDepth === 4)
  go.open()
  expect(new Set(await Promise.all(sent))).toEqual(new Set([200]))
  return order
}

describe('the unit of fairness', () => {
  const keys = ['first-key', 'second-key'].map(hashApiKey)
  const quiet = { authorization: 'Bearer second-key' }
  const inTurn = ['bold 0', 'bold 1', 'quiet', 'bold 2', 'bold 3']

  it('is one key, however its header is written', async () => {
    const written = (count: number) => ({ authorization: `Bearer${' '.repeat(count + 1)}first-key` })
    expect(await servedOrder(keys, written, quiet)).toEqual(inTurn)
  })

  it('is the key that let the request in, whatever else the request says', async () => {
    const offered = (count: number) => ({
      authorization: `Basic ${count}`,
      'sec-websocket-protocol': 'openai-insecure-api-key.first-key',
    })
    expect(await servedOrder(keys, offered, quiet)).toEqual(inTurn)
  })

  it('is the address where no keys are configured, not a header that anybody can make up', async () => {
    const usual = () => ({ authorization: 'Bearer usual' })
    const invented = { authorization: 'Bearer invented' }
    const asTheyCame = ['bold 0', 'bold 1', 'bold 2', 'bold 3', 'quiet']
    expect(await servedOrder([], usual, invented)).toEqual(asTheyCame)
  })
})
