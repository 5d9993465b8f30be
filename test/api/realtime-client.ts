import { Agent } from 'node:https'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import type { RealtimeServerEvent } from 'openai/resources/realtime/realtime'
import { apiKey, model } from './api-client.ts'

/** The official client always asks for wss; this option of its lets it speak to a server without TLS. */
class PlainAgent extends Agent {
  override createConnection(...[options]: Parameters<Agent['createConnection']>): ReturnType<typeof connect> {
    return connect({ host: options.host ?? '127.0.0.1', port: Number(options.port) })
  }
}

export function officialRealtime(openai: OpenAI): OpenAIRealtimeWS {
  return new OpenAIRealtimeWS({ model, options: { agent: new PlainAgent() } }, openai)
}

type EventOf<T> = Extract<RealtimeServerEvent, { type: T }>

/** Keeps every event, so that none is missed between two waits. */
export class EventLog {
  readonly events: RealtimeServerEvent[] = []
  #wake: () => void = () => {}

  add(event: RealtimeServerEvent): void {
    this.events.push(event)
    this.#wake()
  }

  all<T extends RealtimeServerEvent['type']>(type: T): EventOf<T>[] {
    return this.events.filter((event): event is EventOf<T> => event.type === type)
  }

  /** The event of this type with this index. Throws on an `error` event, unless that is what is waited for. */
  async next<T extends RealtimeServerEvent['type']>(type: T, index = 0): Promise<EventOf<T>> {
    for (;;) {
      const found = this.all(type)[index]
      if (found) return found
      const [error] = this.all('error')
      if (error) throw new Error(JSON.stringify(error))
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

export interface PlainSession extends AsyncDisposable {
  log: EventLog
  send(event: object): void
}

export interface SessionOptions {
  path?: string
  /** Offered instead of an `Authorization` header, as a browser has to. */
  protocols?: string[]
}

/** A session by a plain WebSocket, for what the official client has no types for. */
export async function openSession(
  url: string,
  { path = '/v1/realtime?intent=transcription', protocols }: SessionOptions = {},
): Promise<PlainSession> {
  const headers: Record<string, string> = protocols ? {} : { authorization: `Bearer ${apiKey}` }
  const socket = new WebSocket(url.replace('http', 'ws') + path, protocols ?? [], { headers })
  const log = new EventLog()
  socket.on('message', (data: Buffer) => log.add(JSON.parse(data.toString()) as RealtimeServerEvent))
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return {
    log,
    send: (event) => socket.send(JSON.stringify(event)),
    async [Symbol.asyncDispose]() {
      socket.close()
      if (socket.readyState !== WebSocket.CLOSED)
        await new Promise((resolve) => socket.once('close', resolve))
    },
  }
}

/** Status of the answer to an upgrade that is refused. */
export async function refusedWith(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/realtime`, { headers })
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (_, response) => {
      resolve(response.statusCode ?? 0)
      socket.on('error', () => {}).terminate()
    })
    socket.once('open', () => reject(new Error('it was let in')))
  })
}

/** `input_audio_buffer.append` events of 100 ms of 16-bit samples each. */
export function* appendEvents(pcm: Buffer, sampleRate: number) {
  const step = sampleRate / 5
  for (let at = 0; at < pcm.length; at += step) {
    const audio = pcm.subarray(at, at + step).toString('base64')
    yield { type: 'input_audio_buffer.append', audio } as const
  }
}
