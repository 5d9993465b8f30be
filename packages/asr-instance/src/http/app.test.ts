import { healthSchema, identityHeader, identityMark, probeHeader } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { ask, fakeEngine, form, post, sendRaw, silentWav, startTestServer } from './server.fixture.js'

describe('status routes', () => {
  it('shows the identity of this life to probes only', async () => {
    const { url } = await startTestServer()
    expect((await ask(`${url}/health`)).json).not.toHaveProperty('identity')
    expect((await fetch(`${url}/health`)).headers.get(identityHeader)).toBe(
      identityMark('secret-of-this-life'),
    )
    expect(identityMark('secret-of-this-life')).not.toContain('secret')
    const response = await fetch(`${url}/health`, { headers: { [probeHeader]: '1' } })
    expect(response.status).toBe(200)
    expect(healthSchema.parse(await response.json())).toEqual({
      status: 'healthy',
      timestamp: '2026-01-02T03:04:05.000Z',
      instance: 'test-0',
      identity: 'secret-of-this-life',
      inFlight: 0,
      model: 'models/fake',
      slots: 2,
      progress: 7,
    })
  })

  it('says 503 on everything that needs the model while it is loaded', async () => {
    const { url, service } = await startTestServer(null)
    expect(await ask(`${url}/health`)).toMatchObject({ status: 503, json: { status: 'starting' } })
    const refused = await post(`${url}/asr`, form({ audio: silentWav(10) }))
    expect(refused).toMatchObject({ status: 503, json: { code: 'no_instance_ready', status: 'error' } })
    expect(refused.headers.get('retry-after')).toBe('2')
    expect((await fetch(`${url}/v1/models`)).status).toBe(503)
    service.setReady(fakeEngine())
    expect((await post(`${url}/asr`, form({ audio: silentWav(10) }))).status).toBe(200)
  })

  it('lists the model by its names', async () => {
    const { url } = await startTestServer(fakeEngine(), { servedModelNames: ['whisper-1'] })
    const { json } = await ask(`${url}/v1/models`)
    expect(json.data.map((model: { id: string }) => model.id)).toEqual(['whisper-1', 'models/fake', 'fake'])
    expect(json.data[0]).toEqual({
      id: 'whisper-1',
      object: 'model',
      created: 1767323045,
      owned_by: 'asr-cluster',
    })
    expect((await ask(`${url}/v1/models/models/fake`)).json.id).toBe('models/fake')
    expect(await ask(`${url}/v1/models/other`)).toMatchObject({
      status: 404,
      json: { error: { code: 'model_not_found' } },
    })
  })

  it('labels every series with the instance', async () => {
    const { url, service } = await startTestServer()
    service.options.metrics.engine.tokens(3)
    service.options.metrics.engine.inferenceSeconds('decode', 0.5)
    const text = await (await fetch(`${url}/metrics`)).text()
    expect(text).toContain('asr_tokens_total{instance="test-0"} 3')
    expect(text).toContain('asr_inference_seconds_total{stage="decode",instance="test-0"} 0.5')
    for (const line of text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))) {
      expect(line).toContain('instance="test-0"')
    }
    const { json } = await ask(`${url}/metrics.json`)
    const tokens = json.find((metric: { name: string }) => metric.name === 'asr_tokens_total')
    expect(tokens).toMatchObject({ type: 'counter', values: [{ value: 3, labels: { instance: 'test-0' } }] })
  })
})

describe('every response', () => {
  it.each([
    ['GET /health HTTP/1.1\r\n', 200],
    ['GET /nowhere HTTP/1.1\r\n', 404],
    ['HEAD /health HTTP/1.1\r\n', 200],
    ['POST /asr HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n', 413],
    ['POST /asr HTTP/1.1\r\nExpect: the-unexpected\r\nContent-Length: 0\r\n', 400],
    ['GET /v1/realtime HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: other\r\n', 400],
    ['this is no HTTP\r\n', 400],
    [`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n`, 431],
  ])('is marked as its own: %j', async (head, status) => {
    const { url } = await startTestServer()
    // Also without a Host header, which is none of an instance's business.
    const answer = await sendRaw(url, `${head}Connection: close\r\n\r\n`)
    expect(answer).toContain(`HTTP/1.1 ${status} `)
    expect(answer).toContain(`${identityHeader}: ${identityMark('secret-of-this-life')}\r\n`)
  })

  it('is marked and JSON where the target is no URL, which not every Node says', async () => {
    const { url } = await startTestServer()
    const answer = await sendRaw(
      url,
      'GET http://169.254.16:.254/latest HTTP/1.1\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] [^]*\{"error":/)
    expect(answer).toContain(`${identityHeader}: ${identityMark('secret-of-this-life')}\r\n`)
  })

  it('carries a request id and the instance', async () => {
    const { url } = await startTestServer()
    for (const path of ['/health', '/asr', '/nowhere', '/%zz', '/v1/models']) {
      const own = await fetch(url + path, { headers: { 'x-request-id': 'my-id' } })
      expect([own.headers.get('x-request-id'), own.headers.get('x-asr-instance')]).toEqual([
        'my-id',
        'test-0',
      ])
      expect((await fetch(url + path)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it.each([
    ['GET', '/asr', 'POST, OPTIONS'],
    ['PUT', '/asr', 'POST, OPTIONS'],
    ['DELETE', '/v1/audio/transcriptions', 'POST, OPTIONS'],
    ['POST', '/health', 'GET, HEAD, OPTIONS'],
  ])('%s %s is a 405 with the allowed methods', async (method, path, allow) => {
    const { url } = await startTestServer()
    const response = await fetch(url + path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allow)
    expect(await response.text()).toContain('method_not_allowed')
  })

  it('speaks OpenAI under /v1 and flat elsewhere when there is no such route', async () => {
    const { url } = await startTestServer()
    const flat = await fetch(`${url}/nowhere`)
    expect([flat.status, await flat.json()]).toMatchObject([404, { code: 'not_found', status: 'error' }])
    const openai = await fetch(`${url}/v1/nowhere`)
    expect([openai.status, await openai.json()]).toMatchObject([
      404,
      { error: { code: 'not_found', type: 'invalid_request_error', param: null } },
    ])
    expect((await post(`${url}/v1/audio/translations`, 'x')).status).toBe(501)
  })

  it('answers HEAD and OPTIONS', async () => {
    const { url } = await startTestServer()
    expect((await fetch(`${url}/health`, { method: 'HEAD' })).status).toBe(200)
    const options = await fetch(`${url}/asr`, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS'])
  })
})
