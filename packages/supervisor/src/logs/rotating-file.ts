import { closeSync, fstatSync, renameSync, rmSync, writeSync } from 'node:fs'
import { openLogFile } from './open-log-file.js'

/** The file system calls in use; tests put faults in their place. */
export interface LogFs {
  open(path: string): number
  size(fd: number): number
  /** Whether the file still has a name: somebody may have removed it, or its whole folder. */
  isNamed(fd: number): boolean
  write(fd: number, data: Buffer, offset: number): number
  close(fd: number): void
  rename(from: string, to: string): void
  remove(path: string): void
}

export const systemLogFs: LogFs = {
  open: openLogFile,
  size: (fd) => fstatSync(fd).size,
  isNamed: (fd) => fstatSync(fd).nlink > 0,
  write: (fd, data, offset) => writeSync(fd, data, offset),
  close: closeSync,
  rename: renameSync,
  remove: (path) => rmSync(path, { force: true }),
}

export interface RotatingFileOptions {
  path: string
  maxBytes: number
  backups: number
  fs?: LogFs
  /** Called when writing begins to fail, and again when it works: with how many lines were lost between. */
  onTrouble?: (trouble: { message: string } | { lostLines: number }) => void
}

export interface RotatingFile {
  readonly path: string
  /** Each line ends in a line feed. Never throws: what cannot be written is counted and reported. */
  write(lines: readonly string[]): void
  /** After the file was moved away by somebody else. */
  reopen(): void
  close(): void
}

/**
 * An append-only file that is renamed to `.1` (and `.1` to `.2`, …) before it grows beyond `maxBytes`.
 * It is only ever cut between two lines, and writes are synchronous, so that nothing is lost at the cut or at a crash.
 */
export function createRotatingFile(options: RotatingFileOptions): RotatingFile {
  const { path, maxBytes, backups, fs = systemLogFs } = options
  let fd: number | null = null
  let size = 0
  let lostLines = 0
  let isTorn = false

  function open(): number {
    if (fd === null) {
      fd = fs.open(path)
      size = fs.size(fd)
    }
    return fd
  }

  function close(): void {
    if (fd !== null) fs.close(fd)
    fd = null
  }

  function rotate(): void {
    close()
    if (backups === 0) fs.remove(path)
    else {
      fs.remove(`${path}.${backups}`)
      for (let index = backups - 1; index >= 0; index -= 1) {
        renameIfThere(fs, index === 0 ? path : `${path}.${index}`, `${path}.${index + 1}`)
      }
    }
    open()
  }

  function writeBatch(data: Buffer): void {
    // The disk became full in the middle of a line: the next one must not be glued to it.
    const bytes = isTorn ? Buffer.concat([Buffer.from('\n'), data]) : data
    let offset = 0
    while (offset < bytes.length) {
      const written = fs.write(open(), bytes, offset)
      offset += written
      size += written
      isTorn = offset < bytes.length
    }
  }

  return {
    path,
    write(lines) {
      let done = 0
      try {
        if (fd !== null && !fs.isNamed(fd)) close()
        open()
        while (done < lines.length) {
          // A line longer than a whole file gets a file of its own.
          const batch = takeBatch(lines, done, maxBytes - size, size === 0)
          if (batch.count === 0) {
            rotate()
            continue
          }
          writeBatch(batch.data)
          done += batch.count
        }
        if (lostLines > 0) options.onTrouble?.({ lostLines })
        lostLines = 0
      } catch (error) {
        const isFirst = lostLines === 0
        lostLines += lines.length - done
        // The next write opens it anew: the disk may have room again, the folder may be back.
        closeQuietly(close)
        fd = null
        if (isFirst) options.onTrouble?.({ message: `cannot write ${path}: ${(error as Error).message}` })
      }
    },
    reopen: close,
    close,
  }
}

/** As many lines from `start` as fit into `room`. */
function takeBatch(
  lines: readonly string[],
  start: number,
  room: number,
  atLeastOne: boolean,
): { data: Buffer; count: number } {
  let bytes = 0
  let end = start
  for (; end < lines.length; end += 1) {
    const length = Buffer.byteLength(lines[end] as string)
    if (bytes + length > room && !(atLeastOne && end === start)) break
    bytes += length
  }
  return { data: Buffer.from(lines.slice(start, end).join('')), count: end - start }
}

function renameIfThere(fs: LogFs, from: string, to: string): void {
  try {
    fs.rename(from, to)
  } catch (error) {
    // Somebody may have removed it by hand: that must not stop the log.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function closeQuietly(close: () => void): void {
  try {
    close()
  } catch {
    // A full disk may refuse even the close; the descriptor is gone all the same.
  }
}
