import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { jsonAnswer, verboseAnswer } from './answers.js'
import { fakeEngine, form, gate, post, silentWav, startTestServer, transcription } from './server.fixture.js'

const result = transcription({
  text: 'Hello there. 你好。',
  durationSeconds: 3.25,
  segments: [
    {
      id: 0,
      start: 0.1,
      end: 1.5,
      text: 'Hello there.',
      language: 'English',
      tokens: [1, 2],
      avgLogprob: -0.1,
    },
    { id: 1, start: 2, end: 3.25, text: '你好。', language: 'Chinese', tokens: [3], avgLogprob: -0.2 },
  ],
})

async function transcribe(fields: Record<string, string | string[] | Buffer>) {
  const { url } = await startTestServer(fakeEngine({ transcribe: async () => result }))
  return post(`${url}/v1/audio/transcriptions`, form({ file: silentWav(1), model: 'fake', ...fields }))
}

/** Fields of a request; status, code, `param` and a part of the message by which it is refused. */
type Refusal = [Record<string, string | string[]>, number, string, string, string]

describe('POST /v1/audio/transcriptions', () => {
  it('answers json by default', async () => {
    const { status, json } = await transcribe({})
    expect(status).toBe(200)
    expect(jsonAnswer.strict().parse(json)).toEqual({
      text: 'Hello there. 你好。',
      usage: { type: 'tokens', input_tokens: 20, output_tokens: 5, total_tokens: 25 },
      language: 'english',
      duration: 3.25,
      segments: [
        { id: 0, start: 0.1, end: 1.5, text: 'Hello there.' },
        { id: 1, start: 2, end: 3.25, text: '你好。' },
      ],
      confidence: 0.9,
    })
  })

  it('answers text', async () => {
    const { text, headers } = await transcribe({ response_format: 'text' })
    expect(text).toBe('Hello there. 你好。\n')
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
  })

  it('answers srt and vtt', async () => {
    const srt = await transcribe({ response_format: 'srt' })
    expect(srt.text).toBe(
      '1\n00:00:00,100 --> 00:00:01,500\nHello there.\n\n2\n00:00:02,000 --> 00:00:03,250\n你好。\n',
    )
    expect(srt.headers.get('content-type')).toBe('application/x-subrip; charset=utf-8')
    const vtt = await transcribe({ response_format: 'vtt' })
    expect(vtt.text.startsWith('WEBVTT\n\n00:00:00.100 --> ')).toBe(true)
    expect(vtt.headers.get('content-type')).toBe('text/vtt; charset=utf-8')
  })

  it('answers verbose_json with segments', async () => {
    const { json } = await transcribe({
      response_format: 'verbose_json',
      temperature: '0.2',
      'timestamp_granularities[]': 'segment',
    })
    expect(verboseAnswer.strict().parse(json)).toMatchObject({
      task: 'transcribe',
      language: 'english',
      duration: 3.25,
      usage: { type: 'duration', seconds: 4 },
      warnings: [],
    })
    expect(json.segments[1]).toEqual({
      id: 1,
      seek: 200,
      start: 2,
      end: 3.25,
      text: '你好。',
      language: 'chinese',
      tokens: [3],
      temperature: 0.2,
      avg_logprob: -0.2,
      compression_ratio: expect.any(Number),
      no_speech_prob: 0,
    })
  })

  it('names the fields that have no effect', async () => {
    const verbose = await transcribe({
      response_format: 'verbose_json',
      'include[]': ['logprobs', 'x'],
      chunking_strategy: 'auto',
      other: silentWav(1),
    })
    expect(verbose.json.warnings).toEqual([
      'The field `include[]` has no effect.',
      'The field `chunking_strategy` has no effect.',
      'The field `other` has no effect.',
    ])
    const json = await transcribe({ timestamp_granularities: 'segment' })
    expect(json.json.warnings).toHaveLength(1)
    const text = await transcribe({ response_format: 'text', naïve: '1' })
    expect(text.headers.get('x-asr-warnings')).toBe('The field `na?ve` has no effect.')
  })

  it.each([
    [{ model: 'gpt-5' }, 404, 'model_not_found', 'model', 'Served: models/fake, fake.'],
    [{ response_format: 'diarized_json' }, 400, 'unsupported_value', 'response_format', 'diarized_json'],
    [
      { 'timestamp_granularities[]': ['word', 'segment'] },
      400,
      'unsupported_value',
      'timestamp_granularities[]',
      'single words',
    ],
    [
      { 'timestamp_granularities[]': 'letter' },
      400,
      'unsupported_value',
      'timestamp_granularities[]',
      'letter',
    ],
    [{ stream: 'true', response_format: 'srt' }, 400, 'unsupported_value', 'response_format', 'stream'],
    [{ stream: 'perhaps' }, 400, 'unsupported_value', 'stream', 'perhaps'],
    [{ prompt: 'x'.repeat(70_000) }, 400, 'invalid_request', 'prompt', 'longer than 65536 bytes'],
    ...['-1', '1.01', '1e1', ' ', '0x1', 'Infinity', '.', '1e'].map((temperature): Refusal => [
      { temperature },
      400,
      'invalid_request',
      'temperature',
      'from 0 to 1',
    ]),
    [{ language: 'xx' }, 400, 'invalid_language', 'language', 'Accepted: auto'],
    [{ model: ['a', 'b'] }, 400, 'invalid_request', 'model', 'sent 2 times'],
  ] satisfies Refusal[])(
    'refuses %j in the envelope of OpenAI',
    async (fields, expected, code, param, sentence) => {
      const { status, json } = await transcribe(fields)
      expect(status).toBe(expected)
      expect(json).toEqual({
        error: { message: expect.stringContaining(sentence), type: 'invalid_request_error', param, code },
      })
    },
  )

  it('names the file field that was found in place of `file`', async () => {
    const { url } = await startTestServer()
    const { json } = await post(`${url}/v1/audio/transcriptions`, form({ recording: silentWav(1) }))
    expect(json.error).toMatchObject({ code: 'missing_file', param: 'file' })
    expect(json.error.message).toContain('found `recording`')
  })

  it('takes an empty field for an absent one', async () => {
    const names = ['language', 'response_format', 'temperature', 'stream', 'timestamp_granularities[]']
    const { status, json } = await transcribe(Object.fromEntries(names.map((name) => [name, ''])))
    expect(status).toBe(200)
    expect(json.warnings).toBeUndefined()
  })

  it.each([
    ['1e-7', 1e-7],
    ['1e-05', 1e-5],
    ['1E-2', 0.01],
    ['.5', 0.5],
    ['0.', 0],
    ['1.0', 1],
  ])('takes the temperature %s', async (temperature, expected) => {
    const { json } = await transcribe({ temperature, response_format: 'verbose_json' })
    expect(json.segments[0].temperature).toBe(expected)
  })

  it.each([
    ['TRUE', 'text/event-stream; charset=utf-8'],
    ['1', 'text/event-stream; charset=utf-8'],
    ['False', 'application/json; charset=utf-8'],
    ['FALSE', 'application/json; charset=utf-8'],
  ])('takes stream=%s', async (stream, type) => {
    expect((await transcribe({ stream })).headers.get('content-type')).toBe(type)
  })

  it('ignores a field without effect that is too long', async () => {
    const { json } = await transcribe({ 'known_speaker_references[]': ['x'.repeat(70_000), 'y'] })
    expect(json.warnings).toEqual(['The field `known_speaker_references[]` has no effect.'])
  })
})

describe('stream=true', () => {
  const body = () => form({ file: silentWav(1), stream: 'true', 'include[]': 'logprobs' })

  it('sends each delta when it is decided, then the whole text', async () => {
    const { open, opened } = gate()
    const engine = fakeEngine({
      async transcribe(_audio, { onDelta }) {
        onDelta?.('Hello')
        await opened
        onDelta?.(' there.')
        const times = { id: 0, start: 0, end: 1, avgLogprob: -0.1 }
        const segment = { ...times, text: 'Hello there.', language: 'English', tokens: [1] }
        return transcription({ text: 'Hello there.', segments: [segment] })
      },
    })
    const { url } = await startTestServer(engine)
    const response = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body: body() })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const reader = (response.body as ReadableStream<Uint8Array>)
      .pipeThrough(new TextDecoderStream())
      .getReader()
    expect((await reader.read()).value).toBe('data: {"type":"transcript.text.delta","delta":"Hello"}\n\n')
    open()
    let rest = ''
    for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value
    const events = rest
      .split('\n\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line.slice('data: '.length)))
    expect(events).toEqual([
      { type: 'transcript.text.delta', delta: ' there.' },
      {
        type: 'transcript.text.done',
        text: 'Hello there.',
        usage: { type: 'tokens', input_tokens: 20, output_tokens: 5, total_tokens: 25 },
        language: 'english',
        duration: 1,
        segments: [{ id: 0, start: 0, end: 1, text: 'Hello there.' }],
        confidence: 0.9,
        warnings: ['The field `include[]` has no effect.'],
      },
    ])
  })

  it('answers with a status as long as no delta was sent', async () => {
    const engine = fakeEngine({
      transcribe: () => Promise.reject(new AsrError('audio_invalid', 'bad frame')),
    })
    const { url } = await startTestServer(engine)
    const { status, json } = await post(`${url}/v1/audio/transcriptions`, body())
    expect([status, json.error.code]).toEqual([400, 'audio_invalid'])
  })

  it('ends with an error event afterwards', async () => {
    const engine = fakeEngine({
      async transcribe(_audio, { onDelta }) {
        onDelta?.('Hel')
        throw new AsrError('internal', 'The engine failed.')
      },
    })
    const { url } = await startTestServer(engine)
    const { status, text } = await post(`${url}/v1/audio/transcriptions`, body())
    expect(status).toBe(200)
    const last = JSON.parse(text.split('\n\n').filter(Boolean).at(-1)?.slice('data: '.length) ?? '')
    expect(last).toMatchObject({ type: 'error', error: { code: 'internal', type: 'server_error' } })
  })

  it('sends a single event for silence', async () => {
    const { url } = await startTestServer(fakeEngine({ transcribe: async () => transcription({ text: '' }) }))
    const { text } = await post(`${url}/v1/audio/transcriptions`, body())
    expect(text.match(/data: /g)).toHaveLength(1)
  })
})
