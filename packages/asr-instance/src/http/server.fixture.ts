import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Engine, LiveOptions, LiveTranscription, Transcription } from '../engine/engine.js'
import type { ConnectionGuard } from '../guard/connection-guard.js'
import { createMetrics } from '../metrics.js'
import { startServer, type InstanceServer } from './server.js'
import { Service, type ServiceOptions } from './service.js'

/** Hears nothing: tells how much sound it got. `onTranscribe` replaces what it answers. */
export function fakeEngine(overrides: Partial<Engine> = {}): Engine {
  const engine: Engine = {
    model: { name: 'models/fake', quantization: 'none', languages: [], executionProvider: 'cpu' },
    slots: 2,
    progress: 7,
    async transcribe(audio, options) {
      let samples = 0
      for await (const piece of audio) samples += piece.length
      const text = `${samples} samples`
      options.onDelta?.(text)
      return transcription({
        text,
        language: options.language ?? 'English',
        durationSeconds: samples / 16_000,
      })
    },
    checkPrompt() {},
    listen: (options) => listenToTheEnd(engine, options),
    async close() {},
    ...overrides,
  }
  return engine
}

/** Guesses nothing: transcribes all at the end. */
function listenToTheEnd(engine: Engine, options: LiveOptions): LiveTranscription {
  const { language, prompt, onDecided } = options
  const canceled = new AbortController()
  const pieces: Float32Array[] = []
  async function* sound() {
    yield* pieces
  }
  return {
    undecidedSeconds: () => 0,
    push: (samples) => void pieces.push(samples),
    async finish() {
      const result = await engine.transcribe(sound(), {
        language,
        prompt,
        temperature: 0,
        signal: canceled.signal,
      })
      onDecided(result.text)
      return result
    },
    cancel: () => canceled.abort(),
  }
}

export function transcription(overrides: Partial<Transcription> = {}): Transcription {
  return {
    text: 'hello',
    language: 'English',
    durationSeconds: 1,
    segments: [],
    promptTokens: 20,
    outputTokens: 5,
    confidence: 0.9,
    ...overrides,
  }
}

export interface TestServer {
  url: string
  service: Service
  server: InstanceServer
}

export async function startTestServer(
  engine: Engine | null = fakeEngine(),
  options: Partial<ServiceOptions> = {},
  guard?: ConnectionGuard,
): Promise<TestServer> {
  const service = new Service({
    id: 'test-0',
    identity: 'secret-of-this-life',
    maxBodyBytes: 1_000_000,
    maxDurationSeconds: 3600,
    servedModelNames: [],
    metrics: createMetrics('test-0'),
    log: pino({ level: 'silent' }),
    now: () => new Date('2026-01-02T03:04:05.000Z'),
    ...options,
  })
  if (engine) service.setReady(engine)
  const server = await startServer(service, { host: '127.0.0.1', port: 0 }, guard)
  onTestFinished(() => {
    server.http.closeAllConnections()
    server.http.close()
  })
  return { url: `http://127.0.0.1:${server.port}`, service, server }
}

/** A 16-bit mono WAV of silence. */
export function silentWav(samples: number, sampleRate = 16_000): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF')
  header.writeUInt32LE(36 + samples * 2, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(sampleRate, 24)
  header.writeUInt32LE(sampleRate * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples * 2, 40)
  return Buffer.concat([header, Buffer.alloc(samples * 2)])
}

/** A value that is a Buffer becomes a file; an array, several fields of one name. */
export function form(fields: Record<string, string | string[] | Buffer>): FormData {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    if (Buffer.isBuffer(value)) data.append(name, new Blob([new Uint8Array(value)]), 'some.name')
    else for (const text of [value].flat()) data.append(name, text)
  }
  return data
}

export function post(url: string, body: FormData | string, headers: Record<string, string> = {}) {
  return ask(url, { method: 'POST', body, headers })
}

/** `json` is null where the answer is something else. */
export async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null }
}

/** Sends bytes as they are, ends the sending side, and returns all that comes back. */
export function sendRaw(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    const pieces: Buffer[] = []
    socket.on('data', (piece) => pieces.push(piece))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(pieces).toString()))
    socket.end(bytes)
  })
}

/** Resolves with the response head; the caller decides when its request body goes on. */
export function openPost(url: string, headers: Record<string, string>) {
  const request = httpRequest(url, { method: 'POST', headers })
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  response.catch(() => {})
  return { request, response }
}

/** A promise and the function that resolves it. */
export function gate<Value = void>(): { open: (value: Value) => void; opened: Promise<Value> } {
  let open: (value: Value) => void = () => {}
  const opened = new Promise<Value>((resolve) => (open = resolve))
  return { open, opened }
}
