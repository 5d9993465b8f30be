import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startCluster, waitFor, type TestCluster } from '../harness/index.js'
import {
  apiConfig,
  apiKey,
  clip,
  clipFile,
  joinedClips,
  metric,
  model,
  officialClient,
} from './api-client.ts'
import { startThrottle } from './throttle.ts'

let cluster: TestCluster
let openai: OpenAI

beforeAll(async () => {
  cluster = await startCluster({
    config: { ...apiConfig, balancer: { maxBodySize: '30MB' }, auth: { apiKeys: [apiKey] } },
  })
  openai = officialClient(cluster)
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

describe('transcriptions by the official client', () => {
  test('json, with usage', async () => {
    const answer = await openai.audio.transcriptions.create({ file: await clipFile(), model })
    expect(answer).toMatchObject({
      text: clip.text,
      language: 'english',
      usage: { type: expect.any(String) },
    })
  })

  test('text', async () => {
    const answer = await openai.audio.transcriptions.create({
      file: await clipFile(),
      model,
      response_format: 'text',
    })
    expect(answer).toBe(`${clip.text}\n`)
  })

  test('verbose_json, with segments', async () => {
    const answer = await openai.audio.transcriptions.create({
      file: await clipFile(),
      model,
      response_format: 'verbose_json',
      timestamp_granularities: ['segment'],
      language: 'en',
      prompt: 'servers',
      temperature: 0,
    })
    expect(answer).toMatchObject({ text: clip.text, language: 'english' })
    expect(answer.segments).toHaveLength(1)
    const [segment] = answer.segments!
    expect(segment!.text.trim()).toBe(clip.text)
    expect(segment!.start).toBe(0)
    expect(segment!.end).toBeCloseTo(answer.duration, 1)
    expect(segment!.tokens.length).toBeGreaterThan(0)
  })

  test('srt and vtt', async () => {
    const subtitles = async (response_format: 'srt' | 'vtt') =>
      openai.audio.transcriptions.create({ file: await clipFile(), model, response_format })
    expect(await subtitles('srt')).toMatch(
      /^1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\nSpeech recognition on twenty six servers\.\n/,
    )
    expect(await subtitles('vtt')).toMatch(/^WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\nSpeech /)
  })

  test('a stream whose deltas joined are the text, the first long before the last', async () => {
    const { wav } = await joinedClips(16)
    const file = new File([wav], 'long.wav')
    const whole = await openai.audio.transcriptions.create({ file, model })
    const stream = await openai.audio.transcriptions.create({ file, model, stream: true })
    const deltas: string[] = []
    let done: OpenAI.Audio.TranscriptionTextDoneEvent | undefined
    for await (const event of stream) {
      if (event.type === 'transcript.text.delta') deltas.push(event.delta)
      if (event.type === 'transcript.text.done') done = event
    }
    expect(deltas.length).toBeGreaterThan(10)
    expect(deltas.join('')).toBe(whole.text)
    expect(done).toMatchObject({ text: whole.text, usage: { type: expect.any(String) } })
  })

  test('fields without effect are named', async () => {
    const { data, response } = await openai.audio.transcriptions
      .create({ file: await clipFile(), model, chunking_strategy: 'auto' })
      .withResponse()
    expect(response.headers.get('x-asr-warnings')).toContain('chunking_strategy')
    expect(data).toMatchObject({ warnings: [expect.stringContaining('chunking_strategy')] })
  })
})

describe('models by the official client', () => {
  test('are listed, and each can be asked for', async () => {
    const names = (await openai.models.list()).data.map(({ id }) => id)
    expect(names).toEqual(expect.arrayContaining([model, 'demo', 'default']))
    for (const id of names) expect((await openai.models.retrieve(id)).id).toBe(id)
    await expect(openai.models.retrieve('gpt-9')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
  })
})

describe('errors as the official client sees them', () => {
  const refused = async (params: Partial<OpenAI.Audio.TranscriptionCreateParams>): Promise<unknown> =>
    openai.audio.transcriptions.create({ file: await clipFile(), model, ...params } as never).then(
      () => 'answered',
      (error: unknown) => error,
    )

  test('an unknown model, with those that are served', async () => {
    const error = (await refused({ model: 'gpt-9' })) as InstanceType<typeof OpenAI.NotFoundError>
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' })
    expect(error.message).toMatch(/`gpt-9` is not served here\. Served: .*demo.*whisper-1/)
  })

  test.each([
    ['what is no recording', { file: new File(['not a recording\n'], 'a.wav') }, 'not_audio'],
    ['an empty file', { file: new File([], 'a.wav') }, 'empty_file'],
    ['a language that is none', { language: 'klingon' }, 'invalid_language'],
    ['times of words', { timestamp_granularities: ['word' as const] }, 'unsupported_value'],
    ['a temperature out of range', { temperature: 7 }, 'invalid_request'],
    ['a format that is none', { response_format: 'yaml' as 'json' }, 'unsupported_value'],
  ])('%s', async (_, params, code) => {
    const error = (await refused(params)) as InstanceType<typeof OpenAI.BadRequestError>
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ status: 400, code, type: 'invalid_request_error' })
    expect(error.requestID).toMatch(/^[\w-]+$/)
  })

  test('a file that is too large', async () => {
    const error = await refused({ file: new File([new Uint8Array(31_000_000)], 'a.wav') })
    expect(error).toMatchObject({ status: 413, code: 'file_too_large' })
  })

  test('a translation', async () => {
    const error = await openai.audio.translations
      .create({ file: await clipFile(), model })
      .catch((e: unknown) => e)
    expect(error).toMatchObject({ status: 501, code: 'not_implemented' })
  })

  test('a wrong key, and none', async () => {
    const wrong = officialClient(cluster, 'a-wrong-key')
    const error = await wrong.models.list().catch((e: unknown) => e)
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ status: 401, code: 'unauthorized', type: 'invalid_request_error' })
    await expect(wrong.audio.transcriptions.create({ file: await clipFile(), model })).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
    for (const path of ['/asr', '/v1/models', '/metrics', '/health', '/openapi.json', '/nowhere']) {
      const response = await fetch(cluster.url + path, { method: path === '/asr' ? 'POST' : 'GET' })
      expect([path, response.status]).toEqual([path, 401])
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    }
    for (const path of ['/healthz', '/readyz']) expect((await fetch(cluster.url + path)).status).toBe(200)
  })

  test('an upload that is aborted takes nothing with it', async () => {
    const before = await metric(cluster, 'asr_requests_total', /code="499"/)
    await using throttle = await startThrottle(cluster.port, 1_000_000)
    const controller = new AbortController()
    const upload = officialClient(throttle)
      .audio.transcriptions.create(
        { file: new File([new Uint8Array(20_000_000)], 'a.wav'), model },
        { signal: controller.signal },
      )
      .catch((error: unknown) => error)
    await throttle.reached
    controller.abort()
    expect(await upload).toBeInstanceOf(OpenAI.APIUserAbortError)
    await waitFor(async () => (await metric(cluster, 'asr_requests_total', /code="499"/)) === before + 1, {
      what: 'the balancer to count the aborted upload',
    })
    expect((await openai.audio.transcriptions.create({ file: await clipFile(), model })).text).toBe(clip.text)
    expect((await cluster.status()).balancer).toMatchObject({ inFlight: 0, queueDepth: 0 })
  })
})

describe('what machines read', () => {
  const get = (path: string, headers = {}) =>
    fetch(cluster.url + path, { headers: { authorization: `Bearer ${apiKey}`, ...headers } })

  test('/openapi.json describes the routes', async () => {
    const document = (await (await get('/openapi.json')).json()) as { openapi: string; paths: object }
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/asr', '/v1/audio/transcriptions', '/v1/models/{model}', '/v1/realtime']),
    )
  })

  test('/health never tells a client the identity of an instance', async () => {
    const health = await (await get('/health', { 'x-asr-probe': '1' })).json()
    expect(health).toMatchObject({ status: 'healthy', instance: 'default-0' })
    expect(health).not.toHaveProperty('identity')
  })

  test('/v1/realtime without an upgrade is refused', async () => {
    expect((await get('/v1/realtime')).status).toBe(400)
  })
})
