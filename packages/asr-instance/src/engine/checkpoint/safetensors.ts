import { readSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { CheckpointError } from './checkpoint-error.js'
import { dtypeBytes, toFloat32, type FloatDtype } from './float-formats.js'

const maxHeaderBytes = 100 * 2 ** 20

const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(z.int().min(0)),
    data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
  }),
)

export interface TensorInfo {
  name: string
  dtype: FloatDtype
  shape: readonly number[]
  /** Byte offset of the first element in the file. */
  offset: number
  bytes: number
}

/** One `.safetensors` file, read on demand. Format: u64 header length, JSON header, data. */
export class SafetensorsFile {
  readonly path: string
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle, tensors: Map<string, TensorInfo>) {
    this.path = path
    this.#handle = handle
    this.tensors = tensors
  }

  /** Throws CheckpointError when the header is damaged or the file shorter than its header says. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await open(path, 'r')
    try {
      return new SafetensorsFile(path, handle, await readHeader(handle, basename(path)))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Rows `[first, first + count)` of a tensor's outermost dimension as float32, row-major. */
  async readRows(info: TensorInfo, first: number, count: number): Promise<Float32Array> {
    const rows = info.shape[0] ?? 1
    const rowBytes = rows === 0 ? 0 : info.bytes / rows
    const raw = Buffer.allocUnsafeSlow(count * rowBytes)
    const { bytesRead } = await this.#handle.read(raw, 0, raw.length, info.offset + first * rowBytes)
    if (bytesRead !== raw.length) {
      throw new CheckpointError(`${basename(this.path)} ends inside the tensor ${info.name}`)
    }
    return toFloat32(raw, info.dtype)
  }

  /** The same at once: a few rows that are in the page cache are read sooner than a thread is woken. */
  readRowsSync(info: TensorInfo, first: number, count: number): Float32Array {
    const rowBytes = info.bytes / (info.shape[0] ?? 1)
    const raw = Buffer.allocUnsafeSlow(count * rowBytes)
    if (readSync(this.#handle.fd, raw, 0, raw.length, info.offset + first * rowBytes) !== raw.length) {
      throw new CheckpointError(`${basename(this.path)} ends inside the tensor ${info.name}`)
    }
    return toFloat32(raw, info.dtype)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

async function readHeader(handle: FileHandle, file: string): Promise<Map<string, TensorInfo>> {
  const { size } = await handle.stat()
  const prefix = Buffer.alloc(8)
  const { bytesRead } = await handle.read(prefix, 0, 8, 0)
  const headerBytes = bytesRead === 8 ? Number(prefix.readBigUInt64LE()) : Number.NaN
  if (!(headerBytes <= Math.min(maxHeaderBytes, size - 8))) {
    throw new CheckpointError(`${file} is not a safetensors file, or is cut off inside its header`)
  }
  const raw = Buffer.alloc(headerBytes)
  await handle.read(raw, 0, headerBytes, 8)
  const header = parseHeader(raw, file)
  const tensors = new Map<string, TensorInfo>()
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (!(dtype in dtypeBytes)) continue // integer tensors are never weights of this model
    const elements = shape.reduce((product, length) => product * length, 1)
    const bytes = offsets[1] - offsets[0]
    if (bytes !== elements * dtypeBytes[dtype as FloatDtype]) {
      throw new CheckpointError(
        `${file}: tensor ${name} has ${bytes} bytes, its shape [${shape}] needs another number`,
      )
    }
    if (8 + headerBytes + offsets[1] > size) {
      throw new CheckpointError(
        `${file} is cut off: tensor ${name} ends at byte ${8 + headerBytes + offsets[1]} of ${size}`,
      )
    }
    tensors.set(name, {
      name,
      dtype: dtype as FloatDtype,
      shape,
      offset: 8 + headerBytes + offsets[0],
      bytes,
    })
  }
  return tensors
}

function parseHeader(raw: Buffer, file: string): z.infer<typeof headerSchema> {
  try {
    const json = JSON.parse(raw.toString('utf8')) as Record<string, unknown>
    const tensors = Object.entries(json).filter(([name]) => name !== '__metadata__')
    return headerSchema.parse(Object.fromEntries(tensors))
  } catch (error) {
    throw new CheckpointError(`${file}: the safetensors header cannot be read`, { cause: error })
  }
}
