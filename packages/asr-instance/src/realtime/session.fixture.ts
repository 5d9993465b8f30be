import { AsrError } from '@asr-cluster/protocol'
import { vi } from 'vitest'
import type { Engine } from '../engine/engine.js'
import { fakeEngine } from '../http/server.fixture.js'
import type { Dialect } from './session-config.js'
import { RealtimeSession, type SessionOptions } from './session.js'

export interface ServerEvent {
  type: string
  [field: string]: unknown
}

export const manual = {
  type: 'session.update',
  session: {
    type: 'transcription',
    audio: { input: { format: { type: 'audio/pcm', rate: 16_000 }, turn_detection: null } },
  },
}

/** Speech of a test is a loud tone, 16-bit at 16 kHz. */
export function pcm(seconds: number, amplitude = 8000): string {
  const samples = Int16Array.from({ length: seconds * 16_000 }, (_, i) => amplitude * Math.sin(i / 5))
  return Buffer.from(samples.buffer).toString('base64')
}

/** A session whose events are kept, and what it logs. */
export function start(engine: Engine = fakeEngine(), dialect: Dialect = 'ga') {
  const events: ServerEvent[] = []
  const waiting: { type: string; resolve: (event: ServerEvent) => void }[] = []
  let ids = 0
  const logged: { level: string; record: object; message: string | undefined }[] = []
  const logAs = (level: string) => (record: object, message?: string) =>
    void logged.push({ level, record, message })
  const decided = vi.fn()
  const session = new RealtimeSession({
    engine,
    dialect,
    requireModel(name) {
      if (name === 'other') throw new AsrError('model_not_found', 'no such model', { param: 'model' })
    },
    newId: (prefix) => `${prefix}_${ids++}`,
    log: { info: logAs('info'), error: logAs('error') } as SessionOptions['log'],
    onDecided: decided,
    send(event) {
      const sent = JSON.parse(JSON.stringify(event)) as ServerEvent
      delete sent['event_id']
      events.push(sent)
      const at = waiting.findIndex(({ type }) => type === sent.type)
      if (at >= 0) waiting.splice(at, 1)[0]?.resolve(sent)
    },
  })
  return {
    session,
    events,
    logged,
    decided,
    say: (event: object) => session.receive(JSON.stringify(event)),
    append: (audio: string) => session.receive(JSON.stringify({ type: 'input_audio_buffer.append', audio })),
    next: (type: string) => new Promise<ServerEvent>((resolve) => waiting.push({ type, resolve })),
    types: () => events.map(({ type }) => type),
  }
}

export const completed = 'conversation.item.input_audio_transcription.completed'
export const delta = 'conversation.item.input_audio_transcription.delta'
