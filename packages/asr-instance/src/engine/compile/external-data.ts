import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'

// A page, so that onnxruntime can map the file instead of copying it.
const alignment = 4096

/** Appends weights to the file that an ONNX model names as external data. */
export class ExternalData {
  readonly location: string
  readonly #handle: FileHandle
  #end = 0

  private constructor(path: string, handle: FileHandle) {
    this.location = basename(path)
    this.#handle = handle
  }

  static async create(path: string): Promise<ExternalData> {
    return new ExternalData(path, await open(path, 'wx', 0o644))
  }

  get bytesWritten(): number {
    return this.#end
  }

  /** Writes the blocks one after another; answers where they lie. */
  async append(blocks: AsyncIterable<ArrayBufferView> | Iterable<ArrayBufferView>) {
    const offset = Math.ceil(this.#end / alignment) * alignment
    let length = 0
    for await (const block of blocks) {
      const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength)
      await this.#handle.write(bytes, 0, bytes.length, offset + length)
      length += bytes.length
    }
    this.#end = offset + length
    return { location: this.location, offset, length }
  }

  async close(): Promise<void> {
    await this.#handle.sync()
    await this.#handle.close()
  }
}
