export type LogStream = 'stdout' | 'stderr'

export interface LogLine {
  /** ISO 8601, UTC, when the supervisor read the line. */
  time: string
  stream: LogStream
  /** False: the line goes on in the next record of the same stream. */
  complete: boolean
  text: string
}

/**
 * One record of a log file, in the format of Kubernetes' container logs (CRI): `TIME STREAM F|P TEXT`, so that
 * the usual collectors read it, and so that the lines of several programs can be merged by time.
 */
export function formatLogLine({ time, stream, complete, text }: LogLine): string {
  return `${time} ${stream} ${complete ? 'F' : 'P'} ${text}\n`
}

const record = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s

/** Null for anything that is not such a record. */
export function parseLogLine(line: string): LogLine | null {
  const match = record.exec(line)
  if (!match) return null
  const [, time, stream, flag, text] = match as unknown as [string, string, LogStream, string, string]
  return { time, stream, complete: flag === 'F', text }
}
