import { expect, test } from 'vitest'
import { clientEvent, type SessionUpdate } from './client-events.js'
import { defaultSessionConfig, updateConfig } from './session-config.js'

/** The configuration after updates of `session.audio.input`. */
const after = (...inputs: object[]) =>
  inputs.reduce(
    (config: typeof defaultSessionConfig, input) =>
      updateConfig(
        config,
        clientEvent.parse({ type: 'session.update', session: { audio: { input } } }) as SessionUpdate,
      ),
    defaultSessionConfig,
  )

const vad = (values: object) => ({ turn_detection: { type: 'server_vad', ...values } })
const pcm = (values: object) => ({ format: { type: 'audio/pcm', ...values } })

test('values of the turn detection that an update does not name stay as they are', () => {
  const set = vad({ silence_duration_ms: 1500, prefix_padding_ms: 100 })
  expect(after(set, vad({ threshold: 0.7 })).turnDetection).toEqual({
    type: 'server_vad',
    threshold: 0.7,
    prefix_padding_ms: 100,
    silence_duration_ms: 1500,
  })
  expect(after(set, {}).turnDetection).toEqual(after(set).turnDetection)
  expect(after(set, { turn_detection: null }).turnDetection).toBeNull()
  expect(after({ turn_detection: null }, vad({})).turnDetection).toEqual(defaultSessionConfig.turnDetection)
})

test('so does the rate, but not that of another encoding', () => {
  expect(after(pcm({ rate: 16_000 }), pcm({})).format.sampleRate).toBe(16_000)
  expect(after({ format: { type: 'audio/pcmu' } }, pcm({})).format.sampleRate).toBe(24_000)
})

test('null takes language, prompt or all of the transcription back', () => {
  const set = { transcription: { model: 'demo', language: 'en', prompt: 'names', step_seconds: 1 } }
  expect(after(set, { transcription: { language: null } })).toMatchObject({ language: '', prompt: 'names' })
  expect(after(set, { transcription: { prompt: null } })).toMatchObject({ language: 'en', prompt: '' })
  expect(after(set, { transcription: null })).toEqual(defaultSessionConfig)
  const beta = { type: 'transcription_session.update', session: { input_audio_transcription: null } }
  expect(updateConfig(after(set), clientEvent.parse(beta) as SessionUpdate)).toEqual(defaultSessionConfig)
})
