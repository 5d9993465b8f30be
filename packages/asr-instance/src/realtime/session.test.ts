import { AsrError } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import type { LiveOptions } from '../engine/engine.js'
import { fakeEngine, gate, transcription } from '../http/server.fixture.js'
import { completed, delta, manual, pcm, start } from './session.fixture.js'

describe('a session', () => {
  it('introduces itself and describes what it was told', () => {
    const { events, say } = start()
    expect(events[0]).toMatchObject({
      type: 'session.created',
      session: {
        type: 'transcription',
        audio: {
          input: { format: { type: 'audio/pcm', rate: 24_000 }, turn_detection: { type: 'server_vad' } },
        },
      },
    })
    say({
      type: 'session.update',
      session: { audio: { input: { transcription: { model: 'demo', language: 'en', prompt: 'names' } } } },
    })
    expect(events[1]).toMatchObject({
      type: 'session.updated',
      session: {
        audio: {
          input: {
            format: { rate: 24_000 },
            transcription: { model: 'demo', language: 'en', prompt: 'names' },
            turn_detection: { silence_duration_ms: 500 },
          },
        },
      },
    })
  })

  it('speaks the dialect of the beta to those who do', () => {
    const { events, say } = start(fakeEngine(), 'beta')
    say({
      type: 'transcription_session.update',
      session: { input_audio_format: 'g711_ulaw', turn_detection: null },
    })
    expect(events).toMatchObject([
      { type: 'transcription_session.created', session: { input_audio_format: 'pcm16' } },
      {
        type: 'transcription_session.updated',
        session: { input_audio_format: 'g711_ulaw', turn_detection: null },
      },
    ])
  })

  it.each([
    ['hello', 'invalid_request', 'not JSON'],
    ['{"type":"response.create","event_id":"e1"}', 'invalid_request', 'type'],
    ['[]', 'invalid_request', 'cannot be used'],
    ['null', 'invalid_request', 'cannot be used'],
    ['{"type":"input_audio_buffer.append"}', 'invalid_request', 'audio'],
    ['{"type":"input_audio_buffer.append","audio":"!!!!"}', 'invalid_request', 'not base64'],
    ['{"type":"input_audio_buffer.commit"}', 'invalid_request', 'at least 100 ms'],
    ['{"type":"session.update","session":{"type":"realtime"}}', 'invalid_request', 'session.type'],
    [
      '{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":8000}}}}}',
      'invalid_request',
      'rate',
    ],
    [
      '{"type":"session.update","session":{"audio":{"input":{"transcription":{"step_seconds":0}}}}}',
      'invalid_request',
      'step_seconds',
    ],
    [
      '{"type":"session.update","session":{"audio":{"input":{"transcription":{"language":"xx"}}}}}',
      'invalid_language',
      'Accepted',
    ],
    [
      '{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"other"}}}}}',
      'model_not_found',
      'no such model',
    ],
  ])('answers %s with an error and goes on', async (message, code, sentence) => {
    const { session, events, say, append, next, logged } = start()
    session.receive(message)
    expect(logged).toMatchObject([{ level: 'info', record: { code } }])
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        code,
        message: expect.stringContaining(sentence),
        event_id: message.includes('"e1"') ? 'e1' : null,
      },
    })
    say(manual)
    append(pcm(0.5))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    expect(await done).toMatchObject({ transcript: '8000 samples' })
  })
})

describe('manual commit', () => {
  it('transcribes exactly the sound that was appended', async () => {
    const { say, append, next, events } = start()
    say(manual)
    append(pcm(0.25))
    append(pcm(0.75))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    expect(await done).toEqual({
      type: completed,
      item_id: 'item_3',
      content_index: 0,
      transcript: '16000 samples',
      usage: { type: 'tokens', input_tokens: 20, output_tokens: 5, total_tokens: 25 },
      language: 'english',
      duration: 1,
    })
    expect(events.slice(2)).toMatchObject([
      { type: 'input_audio_buffer.committed', item_id: 'item_3', previous_item_id: null },
      { type: 'conversation.item.added', item: { id: 'item_3', content: [{ type: 'input_audio' }] } },
      { type: delta, item_id: 'item_3', delta: '16000 samples' },
      { type: completed },
    ])
  })

  it('keeps the order of utterances and links them', async () => {
    const release = [gate(), gate()]
    let calls = 0
    const engine = fakeEngine({
      async transcribe(_audio, { onDelta }) {
        const call = calls++
        await release[call]?.opened
        onDelta?.(`text ${call}`)
        return transcription({ text: `text ${call}` })
      },
    })
    const { say, append, next, events, session } = start(engine)
    say(manual)
    for (const seconds of [0.2, 0.3]) {
      append(pcm(seconds))
      say({ type: 'input_audio_buffer.commit' })
    }
    const first = next(completed)
    release[1]?.open()
    release[0]?.open()
    expect((await first)['transcript']).toBe('text 0')
    await session.finish()
    expect(events.filter(({ type }) => type === completed).map((event) => event['transcript'])).toEqual([
      'text 0',
      'text 1',
    ])
    const commits = events.filter(({ type }) => type === 'input_audio_buffer.committed')
    expect(commits[1]?.['previous_item_id']).toBe(commits[0]?.['item_id'])
  })

  it.each([24_000, 16_000])('loses no sound where an update to %i Hz falls into it', async (rate) => {
    const { say, append, next } = start()
    const format = (rate: number) => ({
      type: 'session.update',
      session: { audio: { input: { format: { type: 'audio/pcm', rate }, turn_detection: null } } },
    })
    say(format(24_000))
    append(pcm(1.5))
    say(format(rate))
    append(pcm(1.5))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    // A second and a half as written is one second at 24 kHz.
    expect((await done)['transcript']).toBe(`${rate === 24_000 ? 32_000 : 40_000} samples`)
  })

  it('forgets what is cleared', async () => {
    const { say, append, next, types } = start()
    say(manual)
    append(pcm(1))
    say({ type: 'input_audio_buffer.clear' })
    expect(types().at(-1)).toBe('input_audio_buffer.cleared')
    append(pcm(0.5))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    expect((await done)['transcript']).toBe('8000 samples')
  })

  it('says which utterance failed', async () => {
    const engine = fakeEngine({ transcribe: () => Promise.reject(new Error('secret')) })
    const { say, append, next, logged } = start(engine)
    say(manual)
    append(pcm(0.5))
    const failed = next('conversation.item.input_audio_transcription.failed')
    say({ type: 'input_audio_buffer.commit' })
    const event = await failed
    expect(event).toMatchObject({ content_index: 0, error: { type: 'server_error', code: 'internal' } })
    expect(JSON.stringify(event)).not.toContain('secret')
    expect(logged).toMatchObject([
      { level: 'error', record: { code: 'internal', itemId: 'item_3', err: { message: 'secret' } } },
    ])
  })

  it('tells at once of an utterance that fails before its end, and hears what follows as another', async () => {
    const fail: (() => void)[] = []
    const working = fakeEngine()
    const engine = fakeEngine({
      listen(options) {
        fail.push(options.onFailed)
        if (fail.length > 1) return working.listen(options)
        return {
          undecidedSeconds: () => 0,
          push() {},
          finish: () => Promise.reject(new AsrError('internal', 'broken')),
          cancel() {},
        }
      },
    })
    const { say, append, next, types, decided } = start(engine)
    say(manual)
    append(pcm(1))
    const failed = next('conversation.item.input_audio_transcription.failed')
    fail[0]!()
    expect(decided).toHaveBeenCalledOnce()
    expect(await failed).toMatchObject({ item_id: 'item_3', error: { code: 'internal' } })
    expect(types().filter((type) => type === 'input_audio_buffer.committed')).toHaveLength(1)
    append(pcm(0.5))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    expect((await done)['transcript']).toBe('8000 samples')
  })

  it('refuses a prompt that is too long when it is named', () => {
    const engine = fakeEngine({
      checkPrompt(prompt, language) {
        throw new AsrError('invalid_request', `${prompt} in ${language}`, { param: 'prompt' })
      },
    })
    const { say, events } = start(engine)
    say(manual)
    const transcription = { prompt: 'much', language: 'en' }
    say({ type: 'session.update', session: { audio: { input: { transcription } } } })
    expect(events.slice(1)).toMatchObject([
      { type: 'session.updated' },
      { type: 'error', error: { param: 'prompt', message: expect.stringContaining('much in English') } },
    ])
    say({ type: 'session.update', session: {} })
    expect(JSON.stringify(events.at(-1))).not.toContain('much')
  })

  it('stops the engine when the client is gone', async () => {
    const started = gate()
    const stopped = gate()
    const engine = fakeEngine({
      transcribe: (_audio, { signal }) =>
        new Promise((_resolve, reject) => {
          started.open()
          signal.addEventListener('abort', () => {
            stopped.open()
            reject(new AsrError('client_closed', 'gone'))
          })
        }),
    })
    const { session, say, append, types } = start(engine)
    say(manual)
    append(pcm(0.5))
    say({ type: 'input_audio_buffer.commit' })
    await started.opened
    session.cancel()
    await stopped.opened
    await session.finish()
    expect(types()).not.toContain('conversation.item.input_audio_transcription.failed')
  })
})

describe('partial text', () => {
  it('is what is certain as a delta, what is not beside it, and is completed by the rest', async () => {
    const heard: LiveOptions[] = []
    const engine = fakeEngine({
      listen(options) {
        heard.push(options)
        let samples = 0
        return {
          undecidedSeconds: () => 0,
          push(chunk) {
            samples += chunk.length
            if (samples === 32_000) options.onGuess('Well come to', 0)
            if (samples === 64_000) options.onGuess('Welcome to the cluster of', 'Welcome to the'.length)
          },
          async finish() {
            options.onDecided('Welcome to the cluster.')
            return transcription({ text: 'Welcome to the cluster.' })
          },
          cancel() {},
        }
      },
    })
    const { say, append, next, events } = start(engine)
    say(manual)
    say({
      type: 'session.update',
      session: { audio: { input: { transcription: { step_seconds: 1, language: 'en', prompt: 'names' } } } },
    })
    for (let second = 0; second < 4; second++) append(pcm(1))
    const done = next(completed)
    say({ type: 'input_audio_buffer.commit' })
    expect((await done)['transcript']).toBe('Welcome to the cluster.')
    expect(heard).toMatchObject([{ language: 'English', prompt: 'names', stepSeconds: 1 }])
    const deltas = events.filter(({ type }) => type === delta)
    expect(deltas.map((event) => [event['delta'], event['tentative']])).toEqual([
      ['', 'Well come to'],
      ['Welcome to', 'the cluster of'],
      [' the cluster.', ''],
    ])
  })
})
