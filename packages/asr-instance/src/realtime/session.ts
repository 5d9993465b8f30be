import { AsrError, errorBody, toAsrError } from '@asr-cluster/protocol'
import type { Logger } from 'pino'
import { engineSampleRate } from '../audio/engine-sample-rate.js'
import type { Engine, Transcription } from '../engine/engine.js'
import { usageOf } from '../http/answers.js'
import { parseLanguage } from '../languages.js'
import { AudioInput } from './audio-input.js'
import { clientEvent, type ClientEvent, type SessionUpdate } from './client-events.js'
import { FrameCutter, GrowingAudio } from './growing-audio.js'
import { LiveItem } from './live-item.js'
import {
  defaultSessionConfig,
  describeSession,
  updateConfig,
  type Dialect,
  type SessionConfig,
} from './session-config.js'
import { VoiceActivityDetector, type VadOptions } from './vad.js'

export interface SessionOptions {
  engine: Engine
  dialect: Dialect
  /** Throws AsrError `model_not_found`. */
  requireModel(name: string): void
  send(event: object): void
  log: Pick<Logger, 'info' | 'error'>
  newId(prefix: string): string
  /** `undecidedSeconds` may be less than before. */
  onDecided?: () => void
}

const samplesPerMs = engineSampleRate / 1000
const frameSamples = 320
/** What an utterance must have at least (as at OpenAI), and how long it may get before it is ended here. */
const shortestItemSamples = 0.1 * engineSampleRate
const longestItemSamples = 600 * engineSampleRate

/** One connection of `WS /v1/realtime`: from events of the client to events of the server. */
export class RealtimeSession {
  readonly #options: SessionOptions
  readonly #id: string
  #config: SessionConfig = defaultSessionConfig
  #language: string | null = null
  #input = new AudioInput(defaultSessionConfig.format)
  #vad: VoiceActivityDetector | null = null
  readonly #frames = new FrameCutter(frameSamples)
  /** Sound that belongs to no item yet: the moment before speech begins. */
  #before = new GrowingAudio()
  /** Samples heard in this session. */
  #heard = 0
  #item: LiveItem | null = null
  #lastItemId: string | null = null
  #finals: Promise<void> = Promise.resolve()
  /** Utterances whose text is not there yet. */
  readonly #items = new Set<LiveItem>()
  #isCanceled = false

  constructor(options: SessionOptions) {
    this.#options = options
    this.#id = options.newId('sess')
    this.#resetDetection()
    this.#sendSession('created')
  }

  /** Takes one message of the client; whatever is wrong with it becomes an `error` event. */
  receive(message: string): void {
    let eventId: unknown = null
    try {
      const parsed: unknown = parseJson(message)
      eventId = (parsed as { event_id?: unknown } | null)?.event_id ?? null
      this.#handle(parseEvent(parsed))
    } catch (error) {
      const known = toAsrError(error)
      this.#log(known, 'realtime event refused')
      const body = errorBody(known, '/v1/realtime') as { error: object }
      this.#send('error', { error: { ...body.error, event_id: eventId } })
    }
  }

  /** Sound whose text is not decided: who sends faster than it is decided fills the memory. */
  get undecidedSeconds(): number {
    return [...this.#items].reduce((sum, item) => sum + item.undecidedSeconds, 0)
  }

  /** Commits what was said, and resolves when every text has been sent. */
  async finish(): Promise<void> {
    if (this.#item !== null && this.#item.length >= shortestItemSamples) this.#commit()
    await this.#finals
  }

  /** The client is gone: stops all work. */
  cancel(): void {
    this.#isCanceled = true
    for (const item of this.#items) item.cancel()
  }

  #handle(event: ClientEvent): void {
    switch (event.type) {
      case 'session.update':
      case 'transcription_session.update':
        this.#update(event)
        return
      case 'input_audio_buffer.append':
        this.#append(event.audio)
        return
      case 'input_audio_buffer.commit':
        this.#commitByClient()
        return
      case 'input_audio_buffer.clear':
        this.#clear()
    }
  }

  #update(event: SessionUpdate): void {
    const config = updateConfig(this.#config, event)
    this.#options.requireModel(config.model)
    const language = parseLanguage(config.language, this.#options.engine.model.languages)
    if (config.prompt !== '') this.#options.engine.checkPrompt(config.prompt, language)
    this.#language = language
    const { format } = this.#config
    if (config.format.encoding !== format.encoding || config.format.sampleRate !== format.sampleRate) {
      for (const samples of this.#input.end()) this.#hear(samples)
      this.#input = new AudioInput(config.format)
    }
    this.#config = config
    this.#sendSession('updated')
    this.#changeDetection()
  }

  /** Whoever speaks meanwhile goes on with the same utterance. */
  #changeDetection(): void {
    const options = this.#vadOptions
    if (options !== null && this.#vad !== null) this.#vad.configure(options)
    else if (options !== null) {
      this.#vad = new VoiceActivityDetector(options, this.#item !== null)
      if (this.#item !== null) this.#sendSpeechStarted(this.#item)
    } else {
      this.#item?.append(this.#frames.takeRest())
      this.#resetDetection()
    }
  }

  #append(audio: string): void {
    const bytes = Buffer.from(audio, 'base64')
    if (bytes.length === 0 && audio !== '') {
      throw new AsrError('invalid_request', 'The sound is not base64.', { param: 'audio' })
    }
    for (const samples of this.#input.push(bytes)) this.#hear(samples)
  }

  #hear(samples: Float32Array): void {
    if (this.#vad === null) {
      this.#heard += samples.length
      this.#item ??= this.#newItem()
      this.#item.append(samples)
      if (this.#item.length >= longestItemSamples) this.#commit()
      return
    }
    // In frames, so that an utterance ends where it ends, however much the client sends at once.
    for (const frame of this.#frames.push(samples)) this.#detect(this.#vad, frame)
  }

  #detect(vad: VoiceActivityDetector, frame: Float32Array): void {
    this.#heard += frame.length
    if (this.#item === null) this.#before.append(frame)
    else this.#item.append(frame)
    for (const event of vad.push(frame)) {
      if (event.type === 'started') this.#startSpeech()
      else this.#stopSpeech()
    }
    if (this.#item === null) this.#before.keepLast(this.#paddingSamples)
    else if (this.#item.length >= longestItemSamples) this.#commit()
  }

  #startSpeech(): void {
    if (this.#item !== null) return
    this.#item = this.#newItem()
    this.#item.append(this.#before.slice(0))
    this.#before.keepLast(0)
    this.#sendSpeechStarted(this.#item)
  }

  #sendSpeechStarted(item: LiveItem): void {
    this.#send('input_audio_buffer.speech_started', {
      audio_start_ms: Math.floor((this.#heard - item.length) / samplesPerMs),
      item_id: item.id,
    })
  }

  #stopSpeech(): void {
    if (this.#item === null) return
    const audio_end_ms = Math.floor(this.#heard / samplesPerMs)
    this.#send('input_audio_buffer.speech_stopped', { audio_end_ms, item_id: this.#item.id })
    this.#commit()
  }

  #commitByClient(): void {
    for (const samples of this.#input.end()) this.#hear(samples)
    this.#item?.append(this.#frames.takeRest())
    const length = this.#item?.length ?? 0
    if (length < shortestItemSamples) {
      throw new AsrError(
        'invalid_request',
        `The buffer holds ${(length / samplesPerMs).toFixed(0)} ms of sound; at least 100 ms are needed to commit.`,
      )
    }
    this.#commit()
  }

  #commit(): void {
    const item = this.#item
    if (item === null) return
    this.#item = null
    // After a pause the detector is ready for the next words and knows the room; otherwise it begins anew.
    if (this.#vad?.speaking === true) this.#resetDetection()
    const previous_item_id = this.#lastItemId
    this.#lastItemId = item.id
    this.#send('input_audio_buffer.committed', { item_id: item.id, previous_item_id })
    this.#send(this.#options.dialect === 'ga' ? 'conversation.item.added' : 'conversation.item.created', {
      previous_item_id,
      item: {
        id: item.id,
        object: 'realtime.item',
        type: 'message',
        status: 'completed',
        role: 'user',
        content: [{ type: 'input_audio', transcript: null }],
      },
    })
    // Its work begins now, but texts come in the order of their utterances.
    const result = item.finish()
    result.catch(() => {})
    this.#finals = this.#finals.then(() => this.#complete(item, result))
  }

  /** Never rejects. */
  async #complete(item: LiveItem, finished: Promise<Transcription>): Promise<void> {
    const position = { item_id: item.id, content_index: 0 }
    try {
      const result = await finished
      this.#send('conversation.item.input_audio_transcription.completed', {
        ...position,
        transcript: result.text,
        usage: usageOf(result),
        language: result.language.toLowerCase(),
        duration: result.durationSeconds,
      })
    } catch (error) {
      if (this.#isCanceled) return
      const known = toAsrError(error)
      this.#log(known, 'realtime utterance failed', item.id)
      this.#send('conversation.item.input_audio_transcription.failed', {
        ...position,
        ...errorBody(known, '/v1/realtime'),
      })
    } finally {
      this.#items.delete(item)
      this.#options.onDecided?.()
    }
  }

  #clear(): void {
    if (this.#item) {
      this.#item.cancel()
      this.#items.delete(this.#item)
      this.#item = null
    }
    this.#input = new AudioInput(this.#config.format)
    this.#resetDetection()
    this.#send('input_audio_buffer.cleared', {})
  }

  #newItem(): LiveItem {
    const id = this.#options.newId('item')
    const { prompt, stepSeconds } = this.#config
    const language = this.#language
    const item = new LiveItem({
      id,
      listen: ({ onGuess, onDecided, onFailed }) =>
        this.#options.engine.listen({
          language,
          prompt,
          stepSeconds,
          onGuess,
          onFailed,
          onDecided: (text) => {
            onDecided(text)
            this.#options.onDecided?.()
          },
        }),
      onDelta: (delta, tentative) =>
        this.#send('conversation.item.input_audio_transcription.delta', {
          item_id: id,
          content_index: 0,
          delta,
          tentative,
        }),
      onFailed: (failed) => {
        // Told at once, and what is said from now on is heard as another utterance.
        if (failed === this.#item) this.#commit()
        this.#options.onDecided?.()
      },
    })
    this.#items.add(item)
    return item
  }

  get #vadOptions(): VadOptions | null {
    const { turnDetection } = this.#config
    return (
      turnDetection && {
        threshold: turnDetection.threshold,
        silenceDurationMs: turnDetection.silence_duration_ms,
      }
    )
  }

  get #paddingSamples(): number {
    // The detector is sure at the third frame of speech: two of them are among what is kept.
    const paddingMs = this.#config.turnDetection?.prefix_padding_ms ?? 0
    return paddingMs * samplesPerMs + 2 * frameSamples
  }

  #resetDetection(): void {
    const options = this.#vadOptions
    this.#before = new GrowingAudio()
    this.#frames.takeRest()
    this.#vad = options === null ? null : new VoiceActivityDetector(options)
  }

  #sendSession(what: 'created' | 'updated'): void {
    const { dialect } = this.#options
    const name = dialect === 'ga' ? 'session' : 'transcription_session'
    this.#send(`${name}.${what}`, { session: describeSession(this.#id, this.#config, dialect) })
  }

  #log(error: AsrError, message: string, itemId?: string): void {
    const record = { code: error.code, reason: error.message, itemId }
    if (error.status >= 500) this.#options.log.error({ ...record, err: error.cause ?? error }, message)
    else this.#options.log.info(record, message)
  }

  #send(type: string, fields: object): void {
    this.#options.send({ type, event_id: this.#options.newId('event'), ...fields })
  }
}

function parseJson(message: string): unknown {
  try {
    return JSON.parse(message)
  } catch {
    throw new AsrError('invalid_request', 'The message is not JSON.')
  }
}

function parseEvent(parsed: unknown): ClientEvent {
  const result = clientEvent.safeParse(parsed)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const param = issue?.path.join('.') ?? ''
  throw new AsrError('invalid_request', `The event cannot be used: ${param} ${issue?.message}.`, { param })
}
