import { expect, it } from 'vitest'
import { startCluster, waitFor } from './fixtures/cluster.js'
import { json, type Answerer } from './fixtures/upstream.js'

/** Holds every answer until it is let go, and counts clients that went away meanwhile. */
function heldAnswers(): { answer: Answerer; letGo(): void; state: { held: number; gone: number } } {
  const waiting = new Set<() => void>()
  const state = { held: 0, gone: 0 }
  return {
    state,
    answer(_request, response) {
      state.held += 1
      const finish = (): void => json(response, 200, { text: 'done' })
      waiting.add(finish)
      response.on('close', () => {
        waiting.delete(finish)
        if (!response.writableFinished) state.gone += 1
      })
    },
    letGo() {
      for (const finish of waiting) finish()
    },
  }
}

const post = (url: string, priority?: string): Promise<Response> =>
  fetch(`${url}/asr`, {
    method: 'POST',
    body: 'sound',
    headers: priority === undefined ? {} : { 'x-asr-priority': priority },
  })

it('gives its slot to the first request that has to wait', async () => {
  const held = heldAnswers()
  const { url } = await startCluster([held.answer], { member: { slots: 1 } })
  const low = post(url, 'low')
  await waitFor(() => held.state.held === 1)
  const user = post(url)
  const refused = await low
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await refused.json()).toMatchObject({ code: 'yielded' })
  await waitFor(() => held.state.held === 2)
  expect(held.state.gone).toBe(1)
  held.letGo()
  expect((await user).status).toBe(200)
})

it('is told in an event when its stream gives way', async () => {
  const { url } = await startCluster(
    [
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 1\n\n')
      },
    ],
    { member: { slots: 1 } },
  )
  const low = await post(url, 'low')
  let text = ''
  const read = async () => {
    for await (const chunk of low.body as ReadableStream<Uint8Array>) text += Buffer.from(chunk).toString()
  }
  const end = expect(read()).rejects.toThrow()
  const user = await post(url)
  await end
  expect(text).toMatch(/^data: 1\n\nevent: error\ndata: {"type":"error","error":{.*"code":"yielded"}}\n\n$/)
  await user.body?.cancel()
  const counted = 'asr_requests_total{route="low-priority",code="503"} 1\n'
  await expect.poll(async () => (await fetch(`${url}/metrics`)).text()).toContain(counted)
})

it('never waits, and is left alone while there is room', async () => {
  const held = heldAnswers()
  const { url, balancer } = await startCluster([held.answer], { member: { slots: 2 } })
  const first = post(url, 'low')
  const user = post(url)
  await waitFor(() => held.state.held === 2)
  expect(await (await post(url, 'low')).json()).toMatchObject({ code: 'yielded' })
  expect(balancer.stats().queueDepth).toBe(0)
  held.letGo()
  expect([(await first).status, (await user).status, held.state.gone]).toEqual([200, 200, 0])
  // The slot came back once, and the next one is served.
  const next = post(url, 'low')
  await waitFor(() => held.state.held === 3)
  held.letGo()
  expect((await next).status).toBe(200)
  expect(balancer.stats().inFlight).toBe(0)
})

it('one that waits ends one of low priority, not all', async () => {
  const held = heldAnswers()
  const { url } = await startCluster([held.answer], { member: { slots: 2 } })
  const low = [post(url, 'low'), post(url, 'low')]
  await waitFor(() => held.state.held === 2)
  const user = post(url)
  await waitFor(() => held.state.held === 3)
  held.letGo()
  expect((await user).status).toBe(200)
  const statuses = await Promise.all(low.map(async (each) => (await each).status))
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 503])
})

it('is answered by an instance, not from what is kept', async () => {
  const { url, upstreams } = await startCluster([undefined], { deps: { cacheMaxBytes: 1_000_000 } })
  await post(url)
  expect((await post(url)).headers.get('x-asr-cache')).toBe('hit')
  expect((await post(url, 'low')).headers.get('x-asr-cache')).toBeNull()
  expect(upstreams[0]?.received).toHaveLength(2)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toMatch(/asr_requests_total\{route="\/asr",code="200"\} 2/)
  expect(metrics).toMatch(/asr_requests_total\{route="low-priority",code="200"\} 1/)
})

it('does not mind a queue for another group', async () => {
  const held = heldAnswers()
  const { url, balancer, members } = await startCluster([held.answer, undefined], { member: { slots: 1 } })
  const [busy, idle] = members.map((member, index) => ({ ...member, group: index === 0 ? 'busy' : 'idle' }))
  balancer.setMembers([busy!, idle!])
  const send = (model: string, priority: string): Promise<Response> =>
    fetch(`${url}/asr`, {
      method: 'POST',
      body: 'sound',
      headers: { 'x-asr-model': model, 'x-asr-priority': priority },
    })
  const [first, second] = [send('busy', 'normal'), send('busy', 'normal')]
  await waitFor(() => balancer.stats().queueDepth === 1)
  expect((await send('idle', 'low')).status).toBe(200)
  expect((await send('busy', 'low')).status).toBe(503)
  held.letGo()
  await waitFor(() => held.state.held === 2)
  held.letGo()
  expect([(await first).status, (await second).status]).toEqual([200, 200])
})
