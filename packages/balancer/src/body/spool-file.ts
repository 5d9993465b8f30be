import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

const readBytes = 256 * 1024

/** A file that has no name any more as soon as it is open, so that nothing stays behind whatever happens. */
export class SpoolFile {
  readonly #handle: FileHandle
  #size = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  static async create(dir: string): Promise<SpoolFile> {
    const path = join(dir, `asr-balancer-${randomUUID()}`)
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      await unlink(path)
    } catch (error) {
      await handle.close()
      throw error
    }
    return new SpoolFile(handle)
  }

  /** All of it or nothing: after an error the file is as long as before. */
  async append(chunks: Buffer[]): Promise<void> {
    const before = this.#size
    try {
      await this.#write(chunks)
    } catch (error) {
      this.#size = before
      throw error
    }
  }

  async #write(chunks: Buffer[]): Promise<void> {
    const wanted = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    const { bytesWritten } = await this.#handle.writev(chunks, this.#size)
    this.#size += bytesWritten
    if (bytesWritten < wanted) await this.#write([Buffer.concat(chunks).subarray(bytesWritten)])
  }

  async *read(): AsyncGenerator<Buffer> {
    for (let position = 0; position < this.#size;) {
      const length = Math.min(readBytes, this.#size - position)
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, position)
      if (bytesRead === 0) throw new Error('the spool file is shorter than it was written')
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
