import { randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AsrError } from '@asr-cluster/protocol'

const readChunkBytes = 65_536
/** Files in memory, on Linux. */
const sharedMemory = '/dev/shm'

/**
 * Holds an upload: in memory while it is small, then in a temporary file that has no name any more, so that
 * nothing is left behind however the process ends. Written once from start to end, then read at any place.
 */
export class Spool {
  readonly #memoryLimitBytes: number
  readonly #directory: string
  readonly #fallbackDirectory: string
  #chunks: Buffer[] = []
  #file: FileHandle | null = null
  #size = 0
  #isDiskFull = false

  constructor(options: { memoryLimitBytes?: number; directory?: string; fallbackDirectory?: string } = {}) {
    this.#memoryLimitBytes = options.memoryLimitBytes ?? 2 ** 20
    this.#directory = options.directory ?? tmpdir()
    this.#fallbackDirectory = options.fallbackDirectory ?? sharedMemory
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  get inMemory(): boolean {
    return this.#file === null
  }

  /** Appends; calls must not overlap. */
  async write(chunk: Uint8Array): Promise<void> {
    const position = this.#size
    this.#size += chunk.length
    const fits = this.#size <= this.#memoryLimitBytes || this.#isDiskFull
    if (this.#file === null && fits) {
      this.#chunks.push(Buffer.from(chunk))
      return
    }
    try {
      if (this.#file === null) await this.#spill(this.#directory)
      await writeAll(this.#file as FileHandle, chunk, position)
    } catch {
      // A full disk costs memory, as much as one body may have, and no request.
      await this.#backToMemory(position)
      this.#chunks.push(Buffer.from(chunk))
    }
  }

  /** Up to `length` bytes from `offset`; fewer at the end. */
  async readAt(offset: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.#size - offset))
    if (this.#file === null) return this.#memory().subarray(offset, offset + wanted)
    const buffer = Buffer.allocUnsafe(wanted)
    let done = 0
    while (done < wanted) {
      const { bytesRead } = await this.#file.read(buffer, done, wanted - done, offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return buffer.subarray(0, done)
  }

  /** The bytes from `start` to `end`, in pieces. */
  async *read(start = 0, end = this.#size): AsyncGenerator<Buffer> {
    for (let offset = start; offset < end;) {
      const chunk = await this.readAt(offset, Math.min(readChunkBytes, end - offset))
      if (chunk.length === 0) return
      offset += chunk.length
      yield chunk
    }
  }

  /**
   * The file behind, made now if all was in memory. Only positional access was used: its offset is 0. Throws AsrError
   * `internal` where no file can be made.
   */
  async file(): Promise<FileHandle> {
    if (this.#file === null) await this.#spillSomewhere()
    return this.#file as FileHandle
  }

  async close(): Promise<void> {
    this.#chunks = []
    const file = this.#file
    this.#file = null
    this.#size = 0
    await file?.close()
  }

  /** One buffer for all of the memory part: joined when it is first read. */
  #memory(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  async #backToMemory(length: number): Promise<void> {
    this.#isDiskFull = true
    const file = this.#file
    if (file === null) return
    this.#chunks = [Buffer.alloc(length)]
    await file.read(this.#chunks[0] as Buffer, 0, length, 0)
    this.#file = null
    await file.close()
  }

  /** Where the disk is full, shared memory holds what this process held in its own until now. */
  async #spillSomewhere(): Promise<void> {
    try {
      await this.#spill(this.#directory)
    } catch (cause) {
      try {
        await this.#spill(this.#fallbackDirectory)
      } catch {
        const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
        const message = `The server cannot write a file to its temporary folder ${this.#directory} (${reason}).`
        throw new AsrError('internal', message, { cause })
      }
    }
  }

  async #spill(directory: string): Promise<void> {
    const path = join(directory, `asr-upload-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600)
    try {
      await unlink(path)
      let position = 0
      for (const chunk of this.#chunks) {
        await writeAll(file, chunk, position)
        position += chunk.length
      }
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    this.#chunks = []
  }
}

async function writeAll(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < data.length) {
    done += (await file.write(data, done, data.length - done, position + done)).bytesWritten
  }
}
