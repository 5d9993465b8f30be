import { formatLogText } from '@asr-cluster/protocol/log-text'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { followLogs, type DroppedLines, type LogLine } from '../api/admin.js'

const mostLines = 500
/** After a lost connection: the balancer may be starting again. */
const againAfterMs = 2_000
/** Within so many pixels of the end the reader is taken to be there. */
const atEndPixels = 24

/** The logs of all programs, or of one, as they are written. */
export function LogsPanel({ adminKey, ids }: { adminKey: string; ids: readonly string[] }) {
  const [id, setId] = useState('')
  const [isPaused, setPaused] = useState(false)
  const { lines, trouble } = useLogs(adminKey, id === '' ? null : id, isPaused)
  const box = useRef<HTMLPreElement>(null)
  const isAtEnd = useRef(true)
  useLayoutEffect(() => {
    const element = box.current
    if (element && isAtEnd.current) element.scrollTop = element.scrollHeight
  }, [lines])
  return (
    <section aria-labelledby="logs">
      <h2 id="logs">Logs</h2>
      <div class="card logs">
        <div class="buttons">
          <label>
            Program{' '}
            <select value={id} onChange={(event) => setId(event.currentTarget.value)}>
              <option value="">all</option>
              {['supervisor', 'balancer', ...ids].map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </select>
          </label>
          <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? 'Go on' : 'Pause'}
          </button>
          {trouble === '' ? null : <span class="muted">{trouble}</span>}
        </div>
        <pre
          ref={box}
          role="log"
          aria-live="off"
          aria-label="Lines of the logs"
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            isAtEnd.current = scrollHeight - scrollTop - clientHeight < atEndPixels
          }}
        >
          {lines.map(show).join('\n')}
        </pre>
      </div>
    </section>
  )
}

function useLogs(
  adminKey: string,
  id: string | null,
  isPaused: boolean,
): { lines: readonly (LogLine | DroppedLines)[]; trouble: string } {
  const [lines, setLines] = useState<readonly (LogLine | DroppedLines)[]>([])
  const [trouble, setTrouble] = useState('')
  useEffect(() => {
    if (isPaused) return undefined
    const gone = new AbortController()
    let timer = 0
    async function follow(): Promise<void> {
      // Each connection begins with the last lines, so that none is shown twice.
      let isFirst = true
      try {
        await followLogs(adminKey, id, gone.signal, (more) => {
          const before = isFirst
          isFirst = false
          setTrouble('')
          setLines((last) => [...(before ? [] : last), ...more].slice(-mostLines))
        })
      } catch (error) {
        if (!gone.signal.aborted) setTrouble(`${(error as Error).message} Trying again.`)
      }
      if (!gone.signal.aborted) timer = window.setTimeout(() => void follow(), againAfterMs)
    }
    void follow()
    return () => {
      gone.abort()
      window.clearTimeout(timer)
    }
  }, [adminKey, id, isPaused])
  return { lines, trouble }
}

function show(line: LogLine | DroppedLines): string {
  if ('dropped' in line) return `… ${line.dropped} lines more`
  return `${line.time.slice(11, 19)} ${line.id} ${formatLogText(line.text)}`
}
