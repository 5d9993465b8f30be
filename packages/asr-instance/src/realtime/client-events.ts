import { z } from 'zod'

// No defaults in here: what an update does not name stays as it is.
/** `null` stands for none. */
const transcription = z.looseObject({
  model: z.string().optional(),
  language: z.string().nullable().optional(),
  prompt: z.string().max(65_536).nullable().optional(),
  step_seconds: z.number().min(0.5).max(30).optional(),
})

const turnDetection = z.looseObject({
  type: z.literal('server_vad'),
  threshold: z.number().min(0).max(1).optional(),
  prefix_padding_ms: z.int().min(0).max(5_000).optional(),
  silence_duration_ms: z.int().min(100).max(10_000).optional(),
})

/** `null` switches turn detection off: the client commits. */
const turnDetectionOrNone = turnDetection.nullable().optional()

const format = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('audio/pcm'),
    rate: z.union([z.literal(24_000), z.literal(16_000)]).optional(),
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
            transcription: transcription.nullable().optional(),
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
    input_audio_transcription: transcription.nullable().optional(),
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
