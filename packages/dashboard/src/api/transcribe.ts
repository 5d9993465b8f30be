import { readEvents } from '../data/event-stream.js'
import { authorization } from './api-key.js'
import { chunksOf } from './chunks-of.js'

export interface Segment {
  start: number
  end: number
  text: string
}

export interface Transcript {
  text: string
  language: string
  /** Seconds of sound. */
  duration: number
  segments: Segment[]
  instance: string
}

interface StreamEvent {
  type: string
  delta?: string
  text?: string
  language?: string
  duration?: number
  segments?: Segment[]
  error?: { message?: string }
}

/**
 * Sends a recording, and calls `onText` with the text so far each time it grows. Throws Error with a sentence for the
 * person in front of the page.
 */
export async function transcribe(
  file: File,
  language: string,
  signal: AbortSignal,
  onText: (text: string) => void,
): Promise<Transcript> {
  const form = new FormData()
  form.set('file', file)
  form.set('language', language)
  form.set('stream', 'true')
  const response = await fetch('/v1/audio/transcriptions', {
    method: 'POST',
    headers: authorization(),
    body: form,
    signal,
  })
  if (!response.ok || !response.body) throw new Error(await refusalOf(response))
  const instance = response.headers.get('x-asr-instance') ?? 'unknown'
  let text = ''
  for await (const raw of readEvents(chunksOf(response.body))) {
    const event = raw as StreamEvent
    if (event.type === 'transcript.text.delta') onText((text += event.delta ?? ''))
    if (event.type === 'error') throw new Error(event.error?.message ?? 'The stream broke off.')
    if (event.type === 'transcript.text.done') {
      const { text: whole = text, language: heard = '', duration = 0, segments = [] } = event
      return { text: whole, language: heard, duration, segments, instance }
    }
  }
  throw new Error('The stream ended before the text did. Try again.')
}

async function refusalOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null
  return body?.error?.message ?? `The server answers ${response.status}.`
}
