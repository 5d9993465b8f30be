import { describe, expect, it } from 'vitest'
import { completed, manual, pcm, start, type ServerEvent } from './session.fixture.js'

describe('server VAD', () => {
  const vad = { type: 'server_vad', prefix_padding_ms: 100, silence_duration_ms: 300 }
  const listen = {
    type: 'session.update',
    session: { audio: { input: { format: { type: 'audio/pcm', rate: 16_000 }, turn_detection: vad } } },
  }

  it('commits each utterance at its pause, however the sound arrives', async () => {
    const sound = Buffer.concat(
      [pcm(1, 10), pcm(1), pcm(1, 10), pcm(0.5), pcm(1, 10)].map((part) => Buffer.from(part, 'base64')),
    )
    for (const piece of [sound.length, 640, 1001]) {
      const { say, append, session, events } = start()
      say(listen)
      for (let at = 0; at < sound.length; at += piece) {
        append(sound.subarray(at, at + piece).toString('base64'))
      }
      await session.finish()
      const speech = events.filter(({ type }) => /speech|committed/.test(type))
      expect(
        speech.map(({ type, audio_start_ms, audio_end_ms }) => [type, audio_start_ms ?? audio_end_ms]),
      ).toEqual([
        ['input_audio_buffer.speech_started', 900],
        ['input_audio_buffer.speech_stopped', 2300],
        ['input_audio_buffer.committed', undefined],
        ['input_audio_buffer.speech_started', 2900],
        ['input_audio_buffer.speech_stopped', 3800],
        ['input_audio_buffer.committed', undefined],
      ])
      const texts = events.filter(({ type }) => type === completed).map((event) => event['transcript'])
      expect(texts).toEqual([`${1.4 * 16_000} samples`, `${0.9 * 16_000} samples`])
    }
  })

  it('hears nothing in silence', async () => {
    const { say, append, session, types } = start()
    say(listen)
    append(pcm(5, 0))
    await session.finish()
    expect(types()).toEqual(['session.created', 'session.updated'])
  })

  const detect = (turn_detection: object | null) => ({
    type: 'session.update',
    session: { audio: { input: { turn_detection } } },
  })
  const textsOf = (events: readonly ServerEvent[]) =>
    events.filter(({ type }) => type === completed).map((event) => event['transcript'])

  it.each([
    ['the same', vad, 2300],
    ['another pause', { ...vad, silence_duration_ms: 500 }, 2500],
  ])('ends the utterance that an update to %s falls into where it ends', async (_, update, endMs) => {
    const { say, append, session, events } = start()
    say(listen)
    append(pcm(1, 10))
    append(pcm(1))
    say(detect(update))
    append(pcm(1, 10))
    const stopped = events.filter(({ type }) => type === 'input_audio_buffer.speech_stopped')
    expect(stopped).toMatchObject([{ audio_end_ms: endMs }])
    await session.finish()
    expect(textsOf(events)).toEqual([`${(endMs - 900) * 16} samples`])
  })

  it('finds the end of what was begun without it, and leaves to the client what it began', async () => {
    const { say, append, session, events } = start()
    say(manual)
    append(pcm(1))
    say(detect(vad))
    append(pcm(1, 10))
    expect(events.filter(({ type }) => type.includes('speech'))).toMatchObject([
      { type: 'input_audio_buffer.speech_started', audio_start_ms: 0, item_id: 'item_3' },
      { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 1300, item_id: 'item_3' },
    ])
    append(pcm(1.01))
    say(detect(null))
    append(pcm(1, 10))
    say({ type: 'input_audio_buffer.commit' })
    await session.finish()
    // The second has 100 ms before it, and the 10 ms that were no whole frame of the detector.
    expect(textsOf(events)).toEqual(['20800 samples', '33760 samples'])
  })

  it('commits unfinished speech when the session is ended from here', async () => {
    const { say, append, session, types } = start()
    say(listen)
    append(pcm(1, 10))
    append(pcm(1))
    await session.finish()
    expect(types().at(-1)).toBe(completed)
  })
})
