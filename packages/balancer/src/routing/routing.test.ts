import { FormData, request, WebSocket } from 'undici'
import { describe, expect, it } from 'vitest'
import { startCluster, waitFor, type ClusterOptions, type TestCluster } from '../fixtures/cluster.js'
import { acceptWebSockets } from '../fixtures/websocket-upstream.js'

const groups = [
  { group: 'small', models: ['demo', 'small'] },
  { group: 'large', models: ['Qwen/large', 'large', 'whisper-1'] },
]

/** Instance `a` serves the group `small`, `b` the group `large`. */
async function startTwo(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = await startCluster([undefined, undefined], { ...options, member: { slots: 100 } })
  cluster.balancer.setMembers(cluster.members.map((member, index) => ({ ...member, ...groups[index] })))
  return cluster
}

interface Sent {
  path?: string
  model?: string
  /** The file stands before the text fields. */
  fileFirst?: boolean
  audioBytes?: number
  headers?: Record<string, string>
}

async function send(cluster: TestCluster, sent: Sent) {
  const {
    path = '/v1/audio/transcriptions',
    model,
    fileFirst = false,
    audioBytes = 1_000,
    headers = {},
  } = sent
  const form = new FormData()
  const file = new Blob([
    Buffer.alloc(audioBytes, '\r\nContent-Disposition: form-data; name="model"\r\n\r\nsmall'),
  ])
  if (fileFirst) form.set('file', file, 'a.wav')
  if (model !== undefined) form.set('model', model)
  form.set('language', 'auto')
  if (!fileFirst) form.set('file', file, 'a.wav')
  const answer = await request(`${cluster.url}${path}`, { method: 'POST', body: form, headers })
  return {
    status: answer.statusCode,
    instance: answer.headers['x-asr-instance'],
    body: await answer.body.json(),
  }
}

describe('a request that names a model', () => {
  it.each(['/v1/audio/transcriptions', '/asr'])('goes to its group, on %s', async (path) => {
    const cluster = await startTwo()
    for (const fileFirst of [false, true]) {
      for (const [model, instance] of [
        ['large', 'b'],
        ['whisper-1', 'b'],
        ['Qwen/large', 'b'],
        ['demo', 'a'],
        ['small', 'a'],
      ]) {
        for (let round = 0; round < 3; round += 1) {
          expect(await send(cluster, { path, model, fileFirst } as Sent)).toMatchObject({
            status: 200,
            instance,
          })
        }
      }
    }
  })

  it('goes there with a body that is kept in a file, too', async () => {
    const cluster = await startTwo()
    const sent = { model: 'large', fileFirst: true, audioBytes: 9_000_000 }
    for (let round = 0; round < 3; round += 1)
      expect(await send(cluster, sent)).toMatchObject({ instance: 'b' })
    expect(cluster.upstreams[1]?.received[0]?.body.length).toBeGreaterThan(9_000_000)
  })

  it('is refused when nobody serves it, with a list of what is served', async () => {
    const cluster = await startTwo()
    expect(await send(cluster, { model: 'tiny' })).toMatchObject({
      status: 404,
      body: {
        error: {
          code: 'model_not_found',
          type: 'invalid_request_error',
          param: 'model',
          message: expect.stringContaining(
            '`tiny` is not served here. Served: Qwen/large, demo, large',
          ) as string,
        },
      },
    })
    expect(cluster.upstreams.flatMap(({ received }) => received)).toEqual([])
  })

  it('goes to any instance when it names none, as does one whose audio only looks like a field', async () => {
    const cluster = await startTwo()
    for (const sent of [{}, { model: '' }, { headers: { 'x-asr-model': '' } }]) {
      const seen = new Set<unknown>()
      for (let round = 0; round < 4; round += 1) seen.add((await send(cluster, sent)).instance)
      expect(seen).toEqual(new Set(['a', 'b']))
    }
  })

  it('goes where its header says, whatever stands in the form', async () => {
    const cluster = await startTwo()
    const headers = { 'x-asr-model': 'small' }
    for (let round = 0; round < 3; round += 1) {
      expect(await send(cluster, { model: 'large', headers })).toMatchObject({ instance: 'a' })
    }
    const unknown = await send(cluster, { headers: { 'x-asr-model': 'tiny' } })
    expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'model_not_found' } } })
  })

  it('waits for its group while that has no member, and is refused once the group is gone', async () => {
    const cluster = await startTwo()
    const [small, large] = cluster.members.map((member, index) => ({ ...member, ...groups[index] }))
    if (!small || !large) throw new Error('no members')
    cluster.balancer.setMembers([small], groups)
    const early = send(cluster, { model: 'whisper-1' })
    await waitFor(() => cluster.balancer.stats().queueDepth === 1)
    cluster.balancer.setMembers([small, large], groups)
    expect(await early).toMatchObject({ status: 200, instance: 'b' })
    cluster.balancer.setMembers([small], groups.slice(0, 1))
    // With one group left its instance knows its names.
    expect(await send(cluster, { model: 'whisper-1' })).toMatchObject({ status: 200, instance: 'a' })
    expect(await send(cluster, { headers: { 'x-asr-model': 'large' } })).toMatchObject({ status: 404 })
  })

  it('is told of the models of a group without a member, which it can wait for', async () => {
    const cluster = await startTwo()
    const [small] = cluster.members.map((member, index) => ({ ...member, ...groups[index] }))
    if (!small) throw new Error('no members')
    const models = async () => {
      const answer = await request(`${cluster.url}/v1/models`)
      return ((await answer.body.json()) as { data: { id: string }[] }).data.map(({ id }) => id)
    }
    const statusOf = async (model: string) => {
      const answer = await request(`${cluster.url}/v1/models/${model}`)
      await answer.body.dump()
      return answer.statusCode
    }
    cluster.balancer.setMembers([small], groups)
    expect(await models()).toEqual(['Qwen/large', 'demo', 'large', 'small', 'whisper-1'])
    expect(await statusOf('Qwen/large')).toBe(200)
    cluster.balancer.setMembers([small], groups.slice(0, 1))
    expect(await models()).toEqual(['demo', 'small'])
    expect(await statusOf('Qwen/large')).toBe(404)
  })

  it('gets the kept answer of its own group', async () => {
    const cluster = await startTwo({ deps: { cacheMaxBytes: 1e6 } })
    for (const [model, instance] of [
      ['small', 'a'],
      ['large', 'b'],
      ['large', 'b'],
      ['small', 'a'],
    ]) {
      expect(await send(cluster, { model, fileFirst: true } as Sent)).toMatchObject({ instance })
    }
    expect(cluster.upstreams.map(({ received }) => received.length)).toEqual([1, 1])
  })

  it('opens a WebSocket to the group in its query', async () => {
    const cluster = await startTwo()
    const opened: string[] = []
    for (const upstream of cluster.upstreams) acceptWebSockets(upstream, () => opened.push(upstream.name))
    const connect = (model: string): Promise<boolean> => {
      const socket = new WebSocket(
        `ws://127.0.0.1:${cluster.port}/v1/realtime?intent=transcription&model=${model}`,
      )
      return new Promise((resolve) => {
        socket.addEventListener('open', () => resolve(true))
        socket.addEventListener('error', () => resolve(false))
      })
    }
    for (const model of ['whisper-1', 'Qwen%2Flarge', 'large', 'demo'])
      expect(await connect(model)).toBe(true)
    expect(opened).toEqual(['b', 'b', 'b', 'a'])
    expect(await connect('tiny')).toBe(false)
    expect(opened).toHaveLength(4)
  })

  it('is left to the instance where there is one model only', async () => {
    const cluster = await startCluster([undefined, undefined])
    expect(await send(cluster, { model: 'tiny' })).toMatchObject({ status: 200 })
  })
})
