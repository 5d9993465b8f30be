import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { contentHash } from './content-hash.js'
import { buildDecoder } from './decoder-graph.js'
import { buildEncoder } from './encoder-graph.js'
import { ExternalData } from './external-data.js'
import { GraphBuilder, type LinearFormat } from './graph-builder.js'
import { withFileLock } from './file-lock.js'

/** Raise it whenever the compiler writes something else for the same input. */
const compilerVersion = 2

export const quantizations = ['none', 'int8', 'int4'] as const
export type Quantization = (typeof quantizations)[number]

const formats: Record<Quantization, { encoder: LinearFormat; decoder: LinearFormat; head: LinearFormat }> = {
  none: { encoder: 'float32', decoder: 'float32', head: 'float32' },
  int8: { encoder: 'int8', decoder: 'int8', head: 'int8' },
  // The encoder is a small part of the work and sensitive; the head shares its rows with the embedding.
  int4: { encoder: 'int8', decoder: 'int4', head: 'int8' },
}

export interface CompiledModel {
  encoderPath: string
  decoderPath: string
  quantization: Quantization
}

export interface CompileOptions {
  modelDir: string
  cacheDir: string
  quantization: Quantization | 'auto'
  onProgress?: (ratio: number, detail: string) => void
}

/**
 * Compiles a checkpoint to two ONNX graphs with one external weight file, or finds them in the cache. The cache key is
 * the content of the checkpoint, the quantization and the compiler's version; the folder appears atomically, and of
 * several processes that ask at once one compiles and the others wait.
 */
export async function compileModel(options: CompileOptions): Promise<CompiledModel> {
  const checkpoint = await Checkpoint.open(options.modelDir)
  try {
    const quantization =
      options.quantization === 'auto' ? autoQuantization(checkpoint.config) : options.quantization
    const hash = await contentHash(options.modelDir, options.cacheDir)
    const dir = compiledDir(options.cacheDir, hash, quantization)
    const compiled = {
      encoderPath: join(dir, 'encoder.onnx'),
      decoderPath: join(dir, 'decoder.onnx'),
      quantization,
    }
    if (await exists(dir)) return compiled
    await withFileLock(`${dir}.lock`, async () => {
      if (await exists(dir)) return
      await removeLeftovers(dir)
      const scratch = `${dir}.${randomUUID()}.tmp`
      await mkdir(scratch, { recursive: true })
      try {
        await writeGraphs(checkpoint, scratch, quantization, options.onProgress ?? (() => {}))
        await rename(scratch, dir).catch(async (error: unknown) => {
          // A second compiler can only be here if it took over from one it thought dead: same content, all is well.
          if (!(await exists(dir))) throw error
        })
      } finally {
        await rm(scratch, { recursive: true, force: true })
      }
    })
    return compiled
  } finally {
    await checkpoint.close()
  }
}

/** Which quantizations of a checkpoint the cache holds. Reads all weights if they have never been hashed. */
export async function compiledQuantizations(modelDir: string, cacheDir: string): Promise<Quantization[]> {
  const hash = await contentHash(modelDir, cacheDir)
  const present = await Promise.all(quantizations.map((name) => exists(compiledDir(cacheDir, hash, name))))
  return quantizations.filter((_, index) => present[index])
}

function compiledDir(cacheDir: string, hash: string, quantization: Quantization): string {
  return join(cacheDir, `${hash.slice(0, 24)}-${quantization}-v${compilerVersion}`)
}

async function writeGraphs(
  checkpoint: Checkpoint,
  dir: string,
  quantization: Quantization,
  onProgress: (ratio: number, detail: string) => void,
): Promise<void> {
  const format = formats[quantization]
  onProgress(0, `compiling the encoder (${quantization})`)
  await writeGraph(dir, 'encoder', checkpoint, (graph) =>
    buildEncoder(graph, checkpoint.config, format.encoder),
  )
  onProgress(encoderShare(checkpoint.config), `compiling the decoder (${quantization})`)
  await writeGraph(dir, 'decoder', checkpoint, (graph) =>
    buildDecoder(graph, checkpoint, format.decoder, format.head),
  )
  onProgress(1, 'compiled')
}

async function writeGraph(
  dir: string,
  name: string,
  checkpoint: Checkpoint,
  build: (graph: GraphBuilder) => Promise<void>,
): Promise<void> {
  const external = await ExternalData.create(join(dir, `${name}.weights`))
  try {
    const graph = new GraphBuilder(checkpoint, external)
    await build(graph)
    await writeFile(join(dir, `${name}.onnx`), graph.encode(name))
  } finally {
    await external.close()
  }
}

/** Small models stay exact; of the released sizes 0.6B keeps its accuracy at 8 bits and 1.7B at 4 (docs/engine.md). */
function autoQuantization({ text }: ModelConfig): Quantization {
  const linearWeights =
    text.layers * text.hidden * (3 * text.ffn + 2 * (text.heads + text.kvHeads) * text.headDim)
  if (linearWeights < 100e6) return 'none'
  return linearWeights < 800e6 ? 'int8' : 'int4'
}

function encoderShare({ audio, text }: ModelConfig): number {
  const encoder = audio.layers * audio.hidden * (4 * audio.hidden + 2 * audio.ffn)
  const decoder = text.layers * text.hidden * 3 * text.ffn + text.vocab * text.hidden
  return encoder / (encoder + decoder)
}

/** What killed compilers left of this entry. Only the holder of its lock may ask. */
async function removeLeftovers(dir: string): Promise<void> {
  const stale = (await readdir(dirname(dir))).filter(
    (name) => name.startsWith(`${basename(dir)}.`) && name.endsWith('.tmp'),
  )
  await Promise.all(stale.map((name) => rm(join(dirname(dir), name), { recursive: true, force: true })))
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
