import { open, rm, stat, truncate, type FileHandle } from 'node:fs/promises'
import { ToolError } from '../common/tool-error.js'
import { checkFile, type CheckedFile } from './check-file.js'
import { connectionFault, type HubConnection, type HubResponse } from './hub-connection.js'
import type { RemoteFile } from './list-files.js'
import { withRetries, type RetryWorld } from './retry.js'
import { TransferError } from './transfer-error.js'

export interface Download {
  hub: HubConnection
  file: RemoteFile
  /** Path and query on the hub. */
  source: string
  /** Where the bytes are collected; what is there already is continued. */
  partPath: string
  retry: RetryWorld
  /** Bytes that are there now. */
  onBytes: (bytes: number) => void
}

/**
 * Fetches a file until it is whole and has the right checksum; it is left under `partPath`. A file with a wrong checksum
 * is fetched once more from the start, because what was there before may have been of something else.
 * Throws ToolError.
 */
export async function downloadFile(download: Download): Promise<CheckedFile> {
  const { file, partPath, retry } = download
  const reached: Reached = { most: 0 }
  for (let isSecond = false; ; isSecond = true) {
    await withRetries(() => fetchRest(download, reached), file.path, retry)
    const result = await checkFile(partPath, file)
    if (result.ok) return result.file
    await rm(partPath)
    if (isSecond) {
      throw new ToolError('checksum', `${file.path} ${result.fault}, twice`, {
        help: 'Something between here and the hub changes the file. Try another network or HF_ENDPOINT.',
      })
    }
    retry.onRetry(`${file.path} ${result.fault}; fetching it again from the start`)
  }
}

/** The furthest that any try came: only what goes beyond it is progress, else a wrong page could go on for ever. */
interface Reached {
  most: number
}

async function fetchRest(
  { hub, file, source, partPath, onBytes }: Download,
  reached: Reached,
): Promise<void> {
  let have = await sizeOf(partPath)
  if (file.size !== null && have > file.size) {
    await truncate(partPath)
    have = 0
  }
  onBytes(have)
  reached.most = Math.max(reached.most, have)
  if (have > 0 && have === file.size) return
  const response = await hub.get(source, file.path, have > 0 ? { range: `bytes=${have}-` } : {})
  const range = whatIsSent(response, have)
  if (range === null) {
    await response.body.dump().catch(() => {})
    if (have > 0 && response.headers['content-range'] === `bytes */${have}`) return
    await truncate(partPath)
    throw new TransferError('the hub does not continue the file, starting over')
  }
  const total = file.size ?? range.total
  // From the start where the server does not know ranges, whatever is there.
  const handle = await open(partPath, range.start > 0 ? 'r+' : 'w')
  try {
    const { host } = new URL(hub.endpoint)
    const end = await receive(response, handle, { start: range.start, total, host, reached, onBytes })
    if (total !== null && end < total) throw early(total - end, end, reached)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Where the body begins in the file, and how long the file is; null where it is not what was asked for. */
function whatIsSent(response: HubResponse, have: number): { start: number; total: number | null } | null {
  if (response.status === 200) {
    const length = Number(response.headers['content-length'] ?? Number.NaN)
    return { start: 0, total: Number.isInteger(length) ? length : null }
  }
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(response.headers['content-range']))
  if (response.status !== 206 || !match || Number(match[1]) !== have) return null
  return { start: have, total: match[2] === '*' ? null : Number(match[2]) }
}

interface Receiving {
  start: number
  total: number | null
  host: string
  reached: Reached
  onBytes: (bytes: number) => void
}

function early(missing: number, end: number, reached: Reached): TransferError {
  return new TransferError(`the answer ended ${missing} bytes early`, { madeProgress: advance(reached, end) })
}

function advance(reached: Reached, end: number): boolean {
  if (end <= reached.most) return false
  reached.most = end
  return true
}

/** Writes the body into the file; returns where it ended. */
async function receive({ body }: HubResponse, handle: FileHandle, options: Receiving): Promise<number> {
  const { start, total, host, reached, onBytes } = options
  let end = start
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  try {
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        throw connectionFault(error, host, advance(reached, end))
      })
      if (next.done === true) return end
      const chunk = next.value
      if (total !== null && end + chunk.length > total) {
        await handle.truncate(0)
        throw new TransferError(`more than ${total} bytes came, starting over`)
      }
      await writeAll(handle, chunk, end)
      end += chunk.length
      onBytes(end)
    }
  } finally {
    body.destroy()
  }
}

async function writeAll(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  try {
    for (let done = 0; done < data.length;) {
      done += (await handle.write(data, done, data.length - done, position + done)).bytesWritten
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message = code === 'ENOSPC' ? 'the disk is full' : `the file cannot be written: ${code}`
    throw new ToolError('disk', message, {
      help: 'Free some space and run the same command again.',
      cause: error,
    })
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0
      throw error
    },
  )
}
