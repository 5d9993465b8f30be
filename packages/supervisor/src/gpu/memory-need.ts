import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { GroupConfig } from '../config/schema.js'

/** What decides how much of a GPU a model takes. */
export interface ModelSize {
  weightBytes: number
  /** Keys and values of all layers, of one token. */
  cacheValuesPerToken: number
}

export interface MemoryQuestion {
  size: ModelSize
  quantization: GroupConfig['quantization']
  slots: number | 'auto'
}

/** Bytes on a GPU per byte of the checkpoint's 16-bit weights, and per value of the cache. */
const formats: Record<GroupConfig['quantization'], { weights: number; value: number }> = {
  auto: { weights: 1, value: 2 },
  fp16: { weights: 1, value: 2 },
  none: { weights: 2, value: 4 },
  int8: { weights: 0.55, value: 2 },
  int4: { weights: 0.45, value: 2 },
}
/** As the engine's `slots: auto` on a GPU. */
const defaultSlots = 32
/** The longest piece (30 s: 390 tokens of sound), its prompt and its answer. */
const tokensPerRow = 520
/** Pages are added by half of what is there. */
const cacheSlack = 1.5
/** The device's context, compiled kernels, and what one step computes. */
const contextBytes = 400e6

/** What an instance takes on a GPU once all its slots are busy, roughly. Pure. */
export function gpuBytesNeeded({ size, quantization, slots }: MemoryQuestion): number {
  const { weights, value } = formats[quantization]
  const rows = slots === 'auto' ? defaultSlots : slots
  const cache = rows * tokensPerRow * size.cacheValuesPerToken * value * cacheSlack
  return size.weightBytes * weights + cache + contextBytes
}

export type Instance = Pick<GroupConfig, 'model' | 'quantization' | 'device' | 'slots' | 'gpuMemory'> & {
  command?: readonly string[] | null | undefined
}

/** What an instance may take on a GPU; null where nobody knows, 0 where nobody shall ask. */
export function memoryNeed({
  model,
  quantization,
  device,
  slots,
  gpuMemory,
  command,
}: Instance): number | null {
  if (device === 'cpu') return null
  if (gpuMemory !== 'auto') return gpuMemory
  const size = command ? null : readModelSize(model)
  return size && gpuBytesNeeded({ size, quantization, slots })
}

/** Null where the folder does not tell: then there is nothing to compare, and the instance will say what is wrong. */
export function readModelSize(folder: string): ModelSize | null {
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
    const weightBytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
    const text = (config.thinker_config ?? config).text_config
    const values = 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    return weightBytes > 0 && values > 0 ? { weightBytes, cacheValuesPerToken: values } : null
  } catch {
    return null
  }
}
