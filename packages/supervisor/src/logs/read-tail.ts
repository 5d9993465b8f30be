import { closeSync, fstatSync, readdirSync, readSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseLogLine } from './log-line.js'
import type { LogLine } from './log-line.js'
import { openLogForReading } from './open-log-file.js'

export interface TaggedLine extends LogLine {
  id: string
}

const chunkBytes = 64 * 1024

/** The last `count` lines of the given programs, merged by time; programs without a log are skipped. */
export function readMergedTail(dir: string, ids: readonly string[], count: number): TaggedLine[] {
  const lines = ids.flatMap((id) => readTail(dir, id, count).map((line) => ({ ...line, id })))
  // The sort is stable: lines of one program keep their order within a millisecond.
  return lines.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).slice(-count)
}

/** Names of the programs that have a log in `dir`. */
export function listLogs(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.endsWith('.log'))
      .map((name) => basename(name, '.log'))
      .toSorted()
  } catch {
    return []
  }
}

/** The last `count` lines of one program, going back into its rotated files. */
export function readTail(dir: string, id: string, count: number): LogLine[] {
  let lines: LogLine[] = []
  for (let index = 0; lines.length < count; index += 1) {
    const older = tailOfFile(
      join(dir, index === 0 ? `${id}.log` : `${id}.log.${index}`),
      count - lines.length,
    )
    if (older === null) break
    lines = [...older, ...lines]
  }
  return lines
}

/** Null if there is no such file, or what is there is none. */
function tailOfFile(path: string, count: number): LogLine[] | null {
  let fd: number
  try {
    fd = openLogForReading(path)
  } catch {
    return null
  }
  try {
    let position = fstatSync(fd).size
    let bytes = Buffer.alloc(0)
    // One line more than asked for, because the first one in the buffer may be only its end.
    while (position > 0 && countLines(bytes) <= count) {
      const length = Math.min(chunkBytes, position)
      position -= length
      const chunk = Buffer.alloc(length)
      readSync(fd, chunk, 0, length, position)
      bytes = Buffer.concat([chunk, bytes])
    }
    return bytes
      .toString('utf8')
      .split('\n')
      .flatMap((line) => parseLogLine(line) ?? [])
      .slice(-count)
  } finally {
    closeSync(fd)
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1
  return lines
}
