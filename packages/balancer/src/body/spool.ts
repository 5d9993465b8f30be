import { SpoolFile } from './spool-file.js'

export interface SpoolLimits {
  /** A body may hold so much memory before it goes on in a file. */
  perBodyBytes: number
  /** The same while less than half of `totalBytes` is used: a file costs twice the work of the request. */
  roomyBodyBytes: number
  /** All bodies together; beyond it each goes to a file from its first byte. */
  totalBytes: number
}

const mebibyte = 1024 * 1024
/** Up to this size a body is put into one buffer, for one write to the socket; a longer one is not copied. */
const oneWriteBytes = 128 * 1024

export const defaultSpoolLimits: SpoolLimits = {
  perBodyBytes: mebibyte,
  roomyBodyBytes: 8 * mebibyte,
  totalBytes: 256 * mebibyte,
}

/** Memory that all spools of a process hold together. */
export class SpoolMemory {
  readonly limits: SpoolLimits
  #usedBytes = 0

  constructor(limits: SpoolLimits = defaultSpoolLimits) {
    this.limits = limits
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes room for `bytes` more of a body that holds `heldBytes`; false when it has to go to a file. */
  take(heldBytes: number, bytes: number): boolean {
    const { perBodyBytes, roomyBodyBytes, totalBytes } = this.limits
    const used = this.#usedBytes + bytes
    const mostHeld = used <= totalBytes / 2 ? roomyBodyBytes : perBodyBytes
    if (heldBytes + bytes > mostHeld || used > totalBytes) return false
    this.#usedBytes = used
    return true
  }

  /** Takes room for what no disk takes, as long as there is any. */
  takeAnyway(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limits.totalBytes) return false
    this.#usedBytes += bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes
  }
}

export interface SpoolWatcher {
  /** Must not keep the chunk. */
  update(chunk: Buffer): void
}

/**
 * A request body that can be read any number of times: its beginning in memory, the rest in a file. What a full disk does
 * not take is kept in memory behind it.
 */
export class Spool {
  readonly #memory: SpoolMemory
  readonly #dir: string
  readonly #watchers: readonly SpoolWatcher[]
  #chunks: Buffer[] = []
  #memoryBytes = 0
  /** What comes after the file, since the disk refused. */
  #behind: Buffer[] = []
  #behindBytes = 0
  #refusal: unknown
  #fileBytes = 0
  #file: Promise<SpoolFile> | undefined
  #tail: Promise<void> = Promise.resolve()
  #pending: Buffer[] = []
  #disposed = false

  /** `watchers` see the body pass by. */
  constructor(memory: SpoolMemory, dir: string, watchers: readonly SpoolWatcher[] = []) {
    this.#memory = memory
    this.#dir = dir
    this.#watchers = watchers
  }

  get size(): number {
    return this.#memoryBytes + this.#fileBytes
  }

  get inFile(): boolean {
    return this.#file !== undefined
  }

  /** Keeps the chunk. A promise means: send no more until it is done; it rejects when the disk refuses and memory is full. */
  write(chunk: Buffer): Promise<void> | undefined {
    for (const watcher of this.#watchers) watcher.update(chunk)
    if (!this.#file && this.#memory.take(this.#memoryBytes, chunk.length)) {
      this.#memoryBytes += chunk.length
      this.#chunks.push(chunk)
      return undefined
    }
    this.#file ??= SpoolFile.create(this.#dir)
    this.#fileBytes += chunk.length
    this.#pending.push(chunk)
    if (this.#pending.length === 1) this.#tail = this.#tail.then(() => this.#flush())
    return this.#tail
  }

  /** The body from its start; undefined when it is empty. */
  read(): Buffer | Iterable<Buffer> | AsyncIterable<Buffer> | undefined {
    if (this.size === 0) return undefined
    if (this.#file) return this.#fromMemoryAndFile(this.#file)
    return this.size <= oneWriteBytes ? this.#inOneBuffer() : [...this.#chunks]
  }

  /** Frees memory and file; safe to call twice. Reads that run fail. The promise is there only when a file is. */
  dispose(): Promise<void> | undefined {
    if (this.#disposed) return undefined
    this.#disposed = true
    this.#memory.giveBack(this.#memoryBytes + this.#behindBytes)
    this.#chunks = []
    this.#behind = []
    this.#pending = []
    return this.#file && this.#closeFile(this.#file)
  }

  async #closeFile(opening: Promise<SpoolFile>): Promise<void> {
    // A write that failed was reported to the writer; here only the descriptor matters.
    await this.#tail.catch(() => undefined)
    const file = await opening.catch(() => undefined)
    await file?.close()
  }

  async #flush(): Promise<void> {
    let chunks: Buffer[] = []
    try {
      const file = await this.#file
      if (this.#refusal !== undefined) throw this.#refusal
      chunks = this.#takePending()
      if (!this.#disposed && chunks.length > 0) await file?.append(chunks)
    } catch (error) {
      this.#refusal = error
      this.#keepBehind([...chunks, ...this.#takePending()], error)
    }
  }

  #takePending(): Buffer[] {
    return this.#pending.splice(0)
  }

  #keepBehind(chunks: readonly Buffer[], refusal: unknown): void {
    if (this.#disposed) return
    for (const chunk of chunks) {
      if (!this.#memory.takeAnyway(chunk.length)) throw refusal
      this.#behindBytes += chunk.length
      this.#behind.push(chunk)
    }
  }

  /** The pieces are let go. */
  #inOneBuffer(): Buffer {
    if (this.#chunks.length > 1) this.#chunks.splice(0, this.#chunks.length, Buffer.concat(this.#chunks))
    return this.#chunks[0] as Buffer
  }

  async *#fromMemoryAndFile(opening: Promise<SpoolFile>): AsyncGenerator<Buffer> {
    yield* this.#chunks
    const file = await opening.catch(() => undefined)
    if (file) yield* file.read()
    yield* this.#behind
  }
}
