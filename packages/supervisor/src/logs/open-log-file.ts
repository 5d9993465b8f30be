import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../world/make-folder.js'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

// A link laid where a log belongs would have a supervisor that runs as root append to any file of the machine, and show
// any file to whoever may read logs; a named pipe would hold it for ever, as both ends wait for each other.
const safely = O_NOFOLLOW | O_NONBLOCK

/** Opens a log for writing at its end, and makes it and its folder where they are missing. Throws what the system says. */
export function openLogFile(path: string): number {
  makeFolder(dirname(path))
  return regular(path, openSync(path, O_WRONLY | O_APPEND | O_CREAT | safely, 0o640))
}

/** Opens a log for reading. Throws what the system says. */
export function openLogForReading(path: string): number {
  return regular(path, openSync(path, O_RDONLY | safely))
}

function regular(path: string, fd: number): number {
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw new Error(`${path} is no ordinary file`)
}
