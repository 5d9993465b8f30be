import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointError } from './checkpoint-error.js'
import { readModelConfig, type ModelConfig } from './model-config.js'
import { SafetensorsFile, type TensorInfo } from './safetensors.js'

/** A Qwen3-ASR folder: configuration and weights under the official `thinker.*` names. */
export class Checkpoint {
  readonly dir: string
  readonly config: ModelConfig
  readonly #files: readonly SafetensorsFile[]
  readonly #tensors: ReadonlyMap<string, { file: SafetensorsFile; info: TensorInfo }>

  private constructor(dir: string, config: ModelConfig, files: readonly SafetensorsFile[]) {
    this.dir = dir
    this.config = config
    this.#files = files
    this.#tensors = new Map(
      files.flatMap((file) =>
        [...file.tensors.values()].map((info) => [officialName(info.name), { file, info }] as const),
      ),
    )
  }

  static async open(dir: string): Promise<Checkpoint> {
    const config = await readModelConfig(dir).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error
      throw new CheckpointError(`${dir} has no config.json: not a model folder`)
    })
    const files: SafetensorsFile[] = []
    try {
      for (const name of await weightFiles(dir)) files.push(await SafetensorsFile.open(join(dir, name)))
    } catch (error) {
      await Promise.all(files.map((file) => file.close()))
      throw error
    }
    return new Checkpoint(dir, config, files)
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  /** Throws CheckpointError if the tensor is missing or has another shape. */
  #find(name: string, shape: readonly number[]) {
    const found = this.#tensors.get(name)
    if (!found) throw new CheckpointError(`the checkpoint has no tensor ${name}`)
    if (found.info.shape.join() !== shape.join()) {
      throw new CheckpointError(
        `tensor ${name} has shape [${found.info.shape}], config.json asks for [${shape}]`,
      )
    }
    return found
  }

  async read(name: string, shape: readonly number[]): Promise<Float32Array> {
    const { file, info } = this.#find(name, shape)
    return file.readRows(info, 0, info.shape[0] ?? 1)
  }

  /** Some rows of a matrix, `[count, columns]`. */
  readRows(name: string, shape: readonly [number, number], first: number, count: number): Float32Array {
    const { file, info } = this.#find(name, shape)
    return file.readRowsSync(info, first, count)
  }

  /** The tensor's rows in blocks of at most `maxValues` values, so that a large one is never whole in memory. */
  async *readBlocks(
    name: string,
    shape: readonly [number, number],
    maxValues = 2 ** 23,
  ): AsyncGenerator<Float32Array> {
    const { file, info } = this.#find(name, shape)
    const rowsPerBlock = Math.max(1, Math.floor(maxValues / shape[1]))
    for (let row = 0; row < shape[0]; row += rowsPerBlock) {
      yield await file.readRows(info, row, Math.min(rowsPerBlock, shape[0] - row))
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()))
  }
}

/** Weight files of a folder, from the index when the checkpoint is sharded. */
export async function weightFiles(dir: string): Promise<string[]> {
  const names = await readdir(dir)
  const index = names.find((name) => name.endsWith('.safetensors.index.json'))
  if (index) {
    const { weight_map: map } = JSON.parse(await readFile(join(dir, index), 'utf8')) as {
      weight_map?: Record<string, string>
    }
    if (!map) throw new CheckpointError(`${index} has no weight_map`)
    const shards = [...new Set(Object.values(map))].sort()
    const missing = shards.filter((shard) => !names.includes(shard))
    if (missing.length)
      throw new CheckpointError(`${index} names ${missing.join(', ')}, which the folder lacks`)
    return shards
  }
  const files = names.filter((name) => name.endsWith('.safetensors')).sort()
  if (files.length === 0) throw new CheckpointError(`${dir} has no .safetensors file`)
  return files
}

/** Maps transformers' native names (`-hf` folders) to the official ones; official names pass through. */
export function officialName(name: string): string {
  if (name.startsWith('thinker.')) return name
  if (name.startsWith('model.language_model.'))
    return `thinker.model.${name.slice('model.language_model.'.length)}`
  if (name.startsWith('model.multi_modal_projector.linear_')) {
    return `thinker.audio_tower.proj${name.slice('model.multi_modal_projector.linear_'.length)}`
  }
  if (name.startsWith('model.')) return `thinker.${name.slice('model.'.length)}`
  return `thinker.${name}`
}
