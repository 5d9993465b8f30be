import type { InputFormat } from './audio-input.js'
import type { SessionUpdate } from './client-events.js'

/** Which names the events have: those of the released API, or those of its beta. */
export type Dialect = 'ga' | 'beta'

export interface TurnDetection {
  type: 'server_vad'
  /** 0 to 1. */
  threshold: number
  prefix_padding_ms: number
  silence_duration_ms: number
}

export interface SessionConfig {
  format: InputFormat
  /** As the client wrote them; '' when it did not. */
  model: string
  language: string
  prompt: string
  /** Seconds of sound between two guesses at what is said. */
  stepSeconds: number
  /** null: the client commits. */
  turnDetection: TurnDetection | null
}

const defaultTurnDetection: TurnDetection = {
  type: 'server_vad',
  threshold: 0.5,
  prefix_padding_ms: 300,
  silence_duration_ms: 500,
}

export const defaultSessionConfig: SessionConfig = {
  format: { encoding: 's16', sampleRate: 24_000 },
  model: '',
  language: '',
  prompt: '',
  stepSeconds: 2,
  turnDetection: defaultTurnDetection,
}

const formats = {
  'audio/pcmu': { encoding: 'mulaw', sampleRate: 8000 },
  'audio/pcma': { encoding: 'alaw', sampleRate: 8000 },
  pcm16: { encoding: 's16', sampleRate: 24_000 },
  g711_ulaw: { encoding: 'mulaw', sampleRate: 8000 },
  g711_alaw: { encoding: 'alaw', sampleRate: 8000 },
} as const satisfies Record<string, InputFormat>

/** The configuration after an update: what the update does not name stays as it is. */
export function updateConfig(config: SessionConfig, update: SessionUpdate): SessionConfig {
  const { format, transcription, turnDetection } = partsOf(update, config.format)
  // Without its values the transcription is that of a new session.
  const present = transcription === null ? defaultSessionConfig : config
  const { model, language, prompt, step_seconds: stepSeconds } = transcription ?? {}
  return {
    format: format ?? config.format,
    model: model ?? present.model,
    language: language === null ? '' : (language ?? present.language),
    prompt: prompt === null ? '' : (prompt ?? present.prompt),
    stepSeconds: stepSeconds ?? present.stepSeconds,
    turnDetection:
      turnDetection === undefined
        ? config.turnDetection
        : turnDetection && detectionAfter(config.turnDetection ?? defaultTurnDetection, turnDetection),
  }
}

function detectionAfter(
  present: TurnDetection,
  update: NonNullable<ReturnType<typeof partsOf>['turnDetection']>,
): TurnDetection {
  return {
    type: update.type,
    threshold: update.threshold ?? present.threshold,
    prefix_padding_ms: update.prefix_padding_ms ?? present.prefix_padding_ms,
    silence_duration_ms: update.silence_duration_ms ?? present.silence_duration_ms,
  }
}

function partsOf(update: SessionUpdate, present: InputFormat) {
  if (update.type === 'transcription_session.update') {
    const { input_audio_format: format, input_audio_transcription: transcription } = update.session
    return {
      format: format === undefined ? undefined : formats[format],
      transcription,
      turnDetection: update.session.turn_detection,
    }
  }
  const input = update.session.audio?.input
  const { format } = input ?? {}
  return {
    format: format === undefined ? undefined : inputFormat(format, present),
    transcription: input?.transcription,
    turnDetection: input?.turn_detection,
  }
}

type GaFormat = NonNullable<
  NonNullable<
    NonNullable<Extract<SessionUpdate, { type: 'session.update' }>['session']['audio']>['input']
  >['format']
>

function inputFormat(format: GaFormat, present: InputFormat): InputFormat {
  if (format.type === 'audio/pcm') {
    const { sampleRate } = present.encoding === 's16' ? present : defaultSessionConfig.format
    return { encoding: 's16', sampleRate: format.rate ?? sampleRate }
  }
  return formats[format.type]
}

/** The session as the server describes it. */
export function describeSession(id: string, config: SessionConfig, dialect: Dialect): object {
  const { format, model, language, prompt, stepSeconds, turnDetection } = config
  const transcription = {
    model,
    ...(language === '' ? {} : { language }),
    ...(prompt === '' ? {} : { prompt }),
    step_seconds: stepSeconds,
  }
  if (dialect === 'beta') {
    const names = { s16: 'pcm16', mulaw: 'g711_ulaw', alaw: 'g711_alaw' }
    return {
      id,
      object: 'realtime.transcription_session',
      input_audio_format: names[format.encoding],
      input_audio_transcription: transcription,
      turn_detection: turnDetection,
    }
  }
  const types = { s16: 'audio/pcm', mulaw: 'audio/pcmu', alaw: 'audio/pcma' }
  const type = types[format.encoding]
  return {
    id,
    object: 'realtime.transcription_session',
    type: 'transcription',
    audio: {
      input: {
        format: format.encoding === 's16' ? { type, rate: format.sampleRate } : { type },
        transcription,
        turn_detection: turnDetection,
        noise_reduction: null,
      },
    },
  }
}
