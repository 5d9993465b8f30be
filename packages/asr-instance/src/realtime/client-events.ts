import { z } from 'zod'

const transcription = z.looseObject({
  model: z.string().optional(),
  language: z.string().optional(),
  prompt: z.string().max(65_536).optional(),
  step_seconds: z.number().min(0.5).max(30).optional(),
})

const turnDetection = z.looseObject({
  type: z.literal('server_vad'),
  threshold: z.number().min(0).max(1).default(0.5),
  prefix_padding_ms: z.int().min(0).max(5_000).default(300),
  silence_duration_ms: z.int().min(100).max(10_000).default(500),
})

/** `null` switches turn detection off: the client commits. */
const turnDetectionOrNone = turnDetection.nullable().optional()

const format = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('audio/pcm'),
    rate: z.union([z.literal(24_000), z.literal(16_000)]).default(24_000),
  }),
  z.looseObject({ type: z.literal('audio/pcmu') }),
  z.looseObject({ type: z.literal('audio/pcma') }),
])

const sessionUpdate = z.looseObject({
  type: z.literal('session.update'),
  session: z.looseObject({
    type: z.literal('transcription').optional(),
    audio: z
      .looseObject({
        input: z
          .looseObject({
            format: format.optional(),
            transcription: transcription.optional(),
            turn_detection: turnDetectionOrNone,
          })
          .optional(),
      })
      .optional(),
  }),
})

/** The form before the API was released. */
const transcriptionSessionUpdate = z.looseObject({
  type: z.literal('transcription_session.update'),
  session: z.looseObject({
    input_audio_format: z.enum(['pcm16', 'g711_ulaw', 'g711_alaw']).optional(),
    input_audio_transcription: transcription.optional(),
    turn_detection: turnDetectionOrNone,
  }),
})

/** What a client may send on `WS /v1/realtime?intent=transcription`. Each may have an `event_id`. */
export const clientEvent = z.discriminatedUnion('type', [
  sessionUpdate,
  transcriptionSessionUpdate,
  z.looseObject({ type: z.literal('input_audio_buffer.append'), audio: z.string() }),
  z.looseObject({ type: z.literal('input_audio_buffer.commit') }),
  z.looseObject({ type: z.literal('input_audio_buffer.clear') }),
])
export type ClientEvent = z.output<typeof clientEvent>
export type SessionUpdate = Extract<ClientEvent, { type: 'session.update' | 'transcription_session.update' }>
export type TurnDetection = z.output<typeof turnDetection>
