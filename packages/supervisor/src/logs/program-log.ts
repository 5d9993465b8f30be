import type { Readable } from 'node:stream'
import type { Clock } from '../world/clock.js'
import { createLineSplitter } from './line-splitter.js'
import type { SplitLine } from './line-splitter.js'
import { formatLogLine } from './log-line.js'
import type { LogLine, LogStream } from './log-line.js'
import type { RotatingFile } from './rotating-file.js'

export type LogListener = (id: string, line: LogLine) => void

/** The log of one program over all its lives. */
export interface ProgramLog {
  readonly id: string
  /** Reads a stream of a new life to its end. */
  attach(stream: Readable, name: LogStream): void
  append(stream: LogStream, text: string): void
  /** The last lines of standard error of this life, oldest first. */
  lastErrorLines(): string[]
  /** At the start of a new life. */
  forgetErrorLines(): void
  close(): void
}

const errorLinesKept = 20
const errorLineChars = 1_000

export function createProgramLog(
  id: string,
  file: RotatingFile,
  clock: Clock,
  onLine: LogListener = () => {},
): ProgramLog {
  let errorLines: string[] = []

  function record(stream: LogStream, lines: readonly SplitLine[]): void {
    if (lines.length === 0) return
    const time = clock.wallTime().toISOString()
    const entries = lines.map(({ text, complete }) => ({ time, stream, complete, text }))
    file.write(entries.map(formatLogLine))
    for (const entry of entries) onLine(id, entry)
    if (stream === 'stderr') {
      const texts = lines.slice(-errorLinesKept).map(({ text }) => text.slice(0, errorLineChars))
      errorLines = [...errorLines, ...texts].slice(-errorLinesKept)
    }
  }

  return {
    id,
    attach(stream, name) {
      const splitter = createLineSplitter()
      stream.on('data', (chunk: Buffer) => record(name, splitter.push(chunk)))
      // `close` also comes when the stream is destroyed while another process still holds the pipe.
      stream.once('close', () => record(name, splitter.end()))
      stream.on('error', () => {})
    },
    append: (stream, text) =>
      record(
        stream,
        text.split('\n').map((line) => ({ text: line, complete: true })),
      ),
    lastErrorLines: () => errorLines,
    forgetErrorLines() {
      errorLines = []
    },
    close: () => file.close(),
  }
}
