import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { quantizations, type Quantization } from '@asr-cluster/protocol'
import { ConfigurationError } from '../../configuration-error.js'
import { CheckpointError } from '../checkpoint/checkpoint-error.js'
import { Checkpoint } from '../checkpoint/checkpoint.js'
import type { ModelConfig } from '../checkpoint/model-config.js'
import { cacheEntryName } from './cache-entry.js'
import { contentHash } from './content-hash.js'
import { buildDecoder, type DecoderFormats } from './decoder-graph.js'
import { buildDecoderLoop } from './decoder-loop.js'
import { buildEncoder } from './encoder-graph.js'
import { pagePrecision } from './page-graphs.js'
import { buildPagedDecoder } from './paged-decoder.js'
import { inspectEntry, writeManifest, type EntryState } from './entry-manifest.js'
import { ExternalData } from './external-data.js'
import { GraphBuilder, type GraphTarget } from './graph-builder.js'
import type { LinearFormat } from './linear.js'
import { withFileLock } from './file-lock.js'
import { asFileName, isDead, newHolderName } from './lock-holder.js'
import { machineKey, packGraph } from './pack.js'

export type DeviceKind = GraphTarget['device']

type Formats = Pick<GraphTarget, 'precision'> & DecoderFormats & { encoder: LinearFormat }

const halves = { precision: 'float16', cache: 'device' } as const
const whole: Formats = {
  precision: 'float',
  encoder: 'columns',
  decoder: 'columns',
  head: 'columns',
  cache: 'device',
}
const half: Formats = { ...halves, encoder: 'columns', decoder: 'columns', head: 'columns' }

/** What a device computes well; a missing pair is refused. */
const formats: Record<DeviceKind, Partial<Record<Quantization, Formats>>> = {
  cpu: {
    none: { precision: 'float', encoder: 'rows', decoder: 'rows', head: 'rows', cache: 'float32' },
    int8: { precision: 'float', encoder: 'int8', decoder: 'int8', head: 'int8', cache: 'int8' },
    // The encoder is a small part of the work and sensitive. The head only names candidates (exact-choice.ts).
    int4: { precision: 'float', encoder: 'int8', decoder: 'int4', head: 'int4', cache: 'int8' },
  },
  // Of float16 matrices WebGPU's products are not made for one row, nor for the matrix units of a GPU; of blocks they are.
  gpu: {
    none: whole,
    fp16: half,
    int8: { ...halves, encoder: 'blocks8', decoder: 'blocks8', head: 'blocks8' },
    int4: { ...halves, encoder: 'blocks8', decoder: 'int4', head: 'blocks8' },
  },
  cuda: { none: whole, fp16: half, int4: { ...half, decoder: 'int4' } },
}

type GraphName = 'encoder' | 'decoder'

export interface CompiledModel {
  encoderPath: string
  decoderPath: string
  quantization: Quantization
  precision: GraphTarget['precision']
}

export interface CompileOptions {
  modelDir: string
  cacheDir: string
  quantization: Quantization | 'auto'
  /** `cpu` unless given. */
  device?: DeviceKind
  onProgress?: (ratio: number, detail: string) => void
  /** Hears what is wrong and was mended. */
  onWarning?: (message: string) => void
}

/**
 * Compiles a checkpoint to two ONNX graphs with one external weight file, or finds them in the cache. The cache key is
 * the content of the checkpoint, the quantization and the compiler's version, on a processor also what it is; the folder appears atomically, and of
 * several processes that ask at once one compiles and the others wait. A damaged entry is compiled anew. Throws
 * CheckpointError, and ConfigurationError for a cache that cannot be written where it has to be.
 */
export async function compileModel(options: CompileOptions): Promise<CompiledModel> {
  const device = options.device ?? 'cpu'
  const checkpoint = await Checkpoint.open(options.modelDir)
  try {
    const quantization =
      options.quantization === 'auto' ? autoQuantization(checkpoint.config, device) : options.quantization
    const format = formats[device][quantization]
    if (!format) throw new CheckpointError(unservedQuantization(quantization, device))
    const hash = await contentHash(options.modelDir, options.cacheDir)
    const dir = compiledDir(options.cacheDir, hash, quantization, device)
    const compiled = {
      encoderPath: graphPath(dir, 'encoder', device),
      decoderPath: graphPath(dir, 'decoder', device),
      quantization,
      precision: format.precision,
    }
    const found = await inspectEntry(dir)
    if (found.state === 'whole') return compiled
    const write = async () => {
      // Another process may have compiled it while this one waited for the lock.
      const entry = await inspectEntry(dir)
      if (entry.state === 'whole') return
      await removeLeftovers(dir)
      const scratch = `${dir}.${asFileName(await newHolderName())}.tmp`
      if (entry.state === 'damaged') {
        options.onWarning?.(`the compiled model ${dir} is damaged (${entry.damage}) and is compiled anew`)
        // In one step, so that nobody takes what is half removed for an entry.
        await rename(dir, scratch)
        await rm(scratch, { recursive: true })
      }
      await mkdir(scratch, { recursive: true })
      try {
        const target = { device, ...format }
        await writeGraphs(checkpoint, scratch, target, options.onProgress ?? (() => {}))
        await writeManifest(scratch)
        await rename(scratch, dir).catch(async (error: unknown) => {
          // A second compiler can only be here if it took over from one it thought dead: same content, all is well.
          if ((await inspectEntry(dir)).state !== 'whole') throw error
        })
      } finally {
        await rm(scratch, { recursive: true, force: true })
      }
    }
    await withFileLock(`${dir}.lock`, write).catch((error: unknown) => {
      throw asUnwritable(error, options.cacheDir, found)
    })
    return compiled
  } finally {
    await checkpoint.close()
  }
}

/** Which quantizations of a checkpoint the cache holds. Reads all weights if they have never been hashed. */
export async function compiledQuantizations(modelDir: string, cacheDir: string): Promise<Quantization[]> {
  const hash = await contentHash(modelDir, cacheDir)
  const present = await Promise.all(
    quantizations.map(async (name) => {
      const dirs = (['cpu', 'gpu', 'cuda'] as const).map((device) =>
        compiledDir(cacheDir, hash, name, device),
      )
      return (await Promise.all(dirs.map((dir) => inspectEntry(dir)))).some(({ state }) => state === 'whole')
    }),
  )
  return quantizations.filter((_, index) => present[index])
}

function compiledDir(cacheDir: string, hash: string, quantization: Quantization, device: DeviceKind): string {
  return join(cacheDir, cacheEntryName(hash, device === 'cpu' ? machineKey() : device, quantization))
}

function graphPath(dir: string, name: GraphName, device: DeviceKind): string {
  return device === 'cpu' ? join(dir, name, 'packed.onnx') : join(dir, `${name}.onnx`)
}

function unservedQuantization(quantization: Quantization, device: DeviceKind): string {
  const served = Object.keys(formats[device]).join(', ')
  return `quantization ${quantization} is not for a ${device === 'cpu' ? 'CPU' : 'GPU'}: choose one of ${served}, or auto`
}

async function writeGraphs(
  checkpoint: Checkpoint,
  dir: string,
  format: Formats & GraphTarget,
  onProgress: (ratio: number, detail: string) => void,
): Promise<void> {
  onProgress(0, `compiling the encoder (${format.encoder})`)
  const write = (name: GraphName, make: (graph: GraphBuilder) => Promise<void>) =>
    format.device === 'cpu'
      ? writePackedGraph(dir, name, checkpoint, format, make)
      : writeGraph(dir, name, checkpoint, format, make)
  await write('encoder', (graph) => buildEncoder(graph, checkpoint.config, format.encoder))
  const build = decoderBuilder(format)
  onProgress(encoderShare(checkpoint.config), `compiling the decoder (${format.decoder})`)
  await write('decoder', (graph) => build(graph, checkpoint, format))
  onProgress(1, 'compiled')
}

function decoderBuilder({ device, precision }: GraphTarget): typeof buildDecoder {
  if (device === 'cuda') return buildDecoderLoop
  return device === 'gpu' && precision === pagePrecision ? buildPagedDecoder : buildDecoder
}

async function writePackedGraph(
  dir: string,
  name: GraphName,
  ...graph: [Checkpoint, GraphTarget, (graph: GraphBuilder) => Promise<void>]
): Promise<void> {
  const plain = join(dir, name, 'plain')
  await mkdir(plain, { recursive: true })
  await writeGraph(plain, name, ...graph)
  await packGraph(join(plain, `${name}.onnx`), join(dir, name))
}

async function writeGraph(
  dir: string,
  name: GraphName,
  checkpoint: Checkpoint,
  { device, precision }: GraphTarget,
  build: (graph: GraphBuilder) => Promise<void>,
): Promise<void> {
  const external = await ExternalData.create(join(dir, `${name}.weights`))
  try {
    const graph = new GraphBuilder(checkpoint, external, { device, precision })
    await build(graph)
    await writeFile(join(dir, `${name}.onnx`), graph.encode(name))
  } finally {
    await external.close()
  }
}

/** Small models stay exact; of the released sizes 0.6B keeps its accuracy at 8 bits and 1.7B at 4 (docs/engine.md). */
function autoQuantization({ text }: ModelConfig, device: DeviceKind): Quantization {
  const linearWeights =
    text.layers * text.hidden * (3 * text.ffn + 2 * (text.heads + text.kvHeads) * text.headDim)
  if (linearWeights < 100e6) return 'none'
  if (device !== 'cpu') return 'fp16'
  return linearWeights < 800e6 ? 'int8' : 'int4'
}

function encoderShare({ audio, text }: ModelConfig): number {
  const encoder = audio.layers * audio.hidden * (4 * audio.hidden + 2 * audio.ffn)
  const decoder = text.layers * text.hidden * 3 * text.ffn + text.vocab * text.hidden
  return encoder / (encoder + decoder)
}

/** What killed compilers left of this entry; not what one still writes that was thought dead. Only the holder of its lock may ask. */
async function removeLeftovers(dir: string): Promise<void> {
  const prefix = `${basename(dir)}.`
  for (const name of await readdir(dirname(dir))) {
    if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue
    const path = join(dirname(dir), name)
    const holder = name.slice(prefix.length, -'.tmp'.length)
    if (await isDead(holder, Date.now() - (await lastWritten(path))))
      await rm(path, { recursive: true, force: true })
  }
}

/** Latest modification of a folder and what is in it, in milliseconds; 0 if it is gone. */
async function lastWritten(dir: string): Promise<number> {
  const names = await readdir(dir, { recursive: true }).catch(() => [])
  const times = [dir, ...names.map((name) => join(dir, name))].map((path) =>
    stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    ),
  )
  return Math.max(...(await Promise.all(times)))
}

/** The error of a cache that will not take anything as the operator should read it; any other as it is. */
function asUnwritable(error: unknown, cacheDir: string, found: EntryState): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code)) return error
  const reason =
    found.state === 'damaged'
      ? `the compiled model in it is damaged (${found.damage})`
      : 'the model is not compiled in it yet'
  return new ConfigurationError(
    `the cache ${cacheDir} cannot be written, and ${reason}; make it writable or choose another (${message})`,
    { cause: error },
  )
}
