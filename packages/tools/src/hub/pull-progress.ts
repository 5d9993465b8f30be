import { formatBytes, formatDuration } from '../common/format.js'
import type { LiveLine, ToolOutput } from '../common/output.js'

export interface PullProgress {
  /** A file begins; `total` is null where the hub does not tell. */
  start(path: string, total: number | null): void
  bytes(present: number): void
  finish(note: string): void
  say(line: string): void
}

/** Where nobody watches, a line now and then shows that it goes on. */
const lineIntervalMs = 10_000

/** Shows how a transfer goes: on a terminal in one line, else in a line every ten seconds and one per file. */
export function createPullProgress(
  output: ToolOutput,
  liveLine: LiveLine,
  nowMs: () => number,
): PullProgress {
  let path = ''
  let total: number | null = null
  let startedAtMs = 0
  let lastLineAtMs = 0
  let startBytes: number | null = null
  const describe = (present: number): string => {
    const seconds = (nowMs() - startedAtMs) / 1000
    const perSecond = seconds > 0.5 ? (present - (startBytes ?? 0)) / seconds : 0
    const share =
      total === null || total === 0
        ? ''
        : ` of ${formatBytes(total)}, ${Math.floor((present / total) * 100)} %`
    const rest =
      total === null || perSecond <= 0 ? '' : `, ${formatDuration((total - present) / perSecond)} to go`
    return `${path}: ${formatBytes(present)}${share}, ${formatBytes(Math.round(perSecond))}/s${rest}`
  }
  return {
    start(newPath, newTotal) {
      path = newPath
      total = newTotal
      startBytes = null
      startedAtMs = nowMs()
      lastLineAtMs = startedAtMs
    },
    bytes(present) {
      // What was there from an earlier try came at no speed.
      if (startBytes === null || present < startBytes) startBytes = present
      if (liveLine.isVisible) liveLine.show(describe(present))
      else if (nowMs() - lastLineAtMs >= lineIntervalMs) {
        lastLineAtMs = nowMs()
        output.print(describe(present))
      }
    },
    finish(note) {
      liveLine.clear()
      output.print(`${path}: ${note}`)
    },
    say(line) {
      liveLine.clear()
      output.print(line)
    },
  }
}
