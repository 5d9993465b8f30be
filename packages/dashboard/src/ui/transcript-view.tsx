import type { Transcript } from '../api/transcribe.js'
import { formatNumber, formatPosition, formatSeconds } from '../data/format.js'

export interface TranscriptViewProps {
  /** So far. */
  text: string
  transcript: Transcript | null
  tookSeconds: number | null
  error: string | null
  onSeek: (seconds: number) => void
}

export function TranscriptView({ text, transcript, tookSeconds, error, onSeek }: TranscriptViewProps) {
  const isRunning = transcript === null && error === null
  return (
    <div class="transcript">
      <output aria-live="polite" aria-busy={isRunning} class={isRunning ? 'text running' : 'text'}>
        {text || (isRunning ? 'Listening…' : transcript ? 'No words were heard.' : '')}
      </output>
      {error === null ? null : (
        <p class="warning" role="alert">
          {error}
        </p>
      )}
      {transcript === null || tookSeconds === null ? null : (
        <p class="muted done">
          by <b data-by>{transcript.instance}</b> · {transcript.language || 'unknown language'} ·{' '}
          {formatNumber(transcript.duration)} s of sound in {formatSeconds(tookSeconds)}
        </p>
      )}
      {transcript === null || transcript.segments.length === 0 ? null : (
        <ol class="segments" aria-label="Segments">
          {transcript.segments.map((segment) => (
            <li key={segment.start}>
              <button
                type="button"
                onClick={() => onSeek(segment.start)}
                aria-label={`Play from ${formatPosition(segment.start)}`}
              >
                {formatPosition(segment.start)}–{formatPosition(segment.end)}
              </button>
              <span>{segment.text}</span>
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}
