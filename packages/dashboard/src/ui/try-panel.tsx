import { useEffect, useRef, useState } from 'preact/hooks'
import { startRecorder, type Recorder } from '../api/recorder.js'
import { transcribe, type Transcript } from '../api/transcribe.js'
import { CurlLine } from './curl-line.js'
import { TranscriptView } from './transcript-view.js'

interface Work {
  file: File
  /** Plays the recording. */
  url: string
  text: string
  transcript: Transcript | null
  tookSeconds: number | null
  error: string | null
}

/** A recording from a file or the microphone, to text. */
export function TryPanel() {
  const [work, setWork] = useState<Work | null>(null)
  const [language, setLanguage] = useState('auto')
  const [recorder, setRecorder] = useState<Recorder | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [isDragging, setDragging] = useState(false)
  const running = useRef<AbortController | null>(null)
  const player = useRef<HTMLAudioElement>(null)
  const isRunning = work !== null && work.transcript === null && work.error === null

  useEffect(() => () => URL.revokeObjectURL(work?.url ?? ''), [work?.url])

  async function run(file: File): Promise<void> {
    running.current?.abort()
    const controller = new AbortController()
    running.current = controller
    const update = (change: Partial<Work>): void => {
      if (running.current === controller) setWork((last) => last && { ...last, ...change })
    }
    setProblem(null)
    const url = URL.createObjectURL(file)
    setWork({ file, url, text: '', transcript: null, tookSeconds: null, error: null })
    const startedAtMs = performance.now()
    try {
      const spoken = language.trim() || 'auto'
      const transcript = await transcribe(file, spoken, controller.signal, (text) => update({ text }))
      update({ transcript, text: transcript.text, tookSeconds: (performance.now() - startedAtMs) / 1_000 })
    } catch (error) {
      update({ error: controller.signal.aborted ? 'Stopped.' : (error as Error).message })
    }
  }

  async function toggleRecording(): Promise<void> {
    setProblem(null)
    try {
      if (!recorder) setRecorder(await startRecorder())
      else {
        setRecorder(null)
        await run(await recorder.stop())
      }
    } catch (error) {
      setProblem((error as Error).message)
    }
  }

  function take(files: FileList | null | undefined): void {
    const file = files?.[0]
    if (file) void run(file)
  }

  return (
    <section aria-labelledby="try">
      <h2 id="try">Try it</h2>
      <div class="card try">
        <div class="controls">
          <label
            class={isDragging ? 'drop over' : 'drop'}
            onDragOver={(event) => {
              event.preventDefault()
              setDragging(true)
            }}
            onDragLeave={() => setDragging(false)}
            onDrop={(event) => {
              event.preventDefault()
              setDragging(false)
              take(event.dataTransfer?.files)
            }}
          >
            <input
              type="file"
              accept="audio/*,video/*"
              onChange={(event) => {
                take(event.currentTarget.files)
                // So that the same file can be chosen again.
                event.currentTarget.value = ''
              }}
            />
            <span>
              <b>Choose a recording</b> or drop it here
            </span>
          </label>
          <div class="buttons">
            <button type="button" aria-pressed={recorder !== null} onClick={() => void toggleRecording()}>
              {recorder ? '■ Stop and transcribe' : '● Record'}
            </button>
            <label class="language">
              Language
              <input value={language} onInput={(event) => setLanguage(event.currentTarget.value)} />
            </label>
            {work === null ? null : isRunning ? (
              <button type="button" onClick={() => running.current?.abort()}>
                Stop
              </button>
            ) : (
              <button type="button" onClick={() => void run(work.file)}>
                Transcribe again
              </button>
            )}
          </div>
        </div>
        {problem === null ? null : (
          <p class="warning" role="alert">
            {problem}
          </p>
        )}
        {work === null ? null : (
          <>
            <div class="recording">
              <b>{work.file.name}</b>
              <audio ref={player} controls src={work.url} aria-label={`Recording ${work.file.name}`} />
            </div>
            <TranscriptView
              text={work.text}
              transcript={work.transcript}
              tookSeconds={work.tookSeconds}
              error={work.error}
              onSeek={(seconds) => {
                if (!player.current) return
                player.current.currentTime = seconds
                void player.current.play()
              }}
            />
          </>
        )}
        <CurlLine fileName={work?.file.name ?? 'recording.wav'} language={language.trim() || 'auto'} />
      </div>
    </section>
  )
}
