import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ort } from '../runtime/onnxruntime.js'
import { alignWeights } from './align-weights.js'
import { disableTelemetry } from '../runtime/disable-telemetry.js'

// By the package's name: this code also runs bundled, from another folder.
const program = createRequire(import.meta.url).resolve('@asr-cluster/asr-instance/bin/pack-graph.js')

/**
 * Rewrites a graph of the processor to `to/packed.onnx`, with its weights as onnxruntime's kernels want them, which every
 * load would have to do otherwise, in private memory. Packed weights are mapped: they are read when they are first
 * needed, and all instances of a machine share their pages. Removes the folder of the graph that it was.
 */
export async function packGraph(from: string, to: string): Promise<void> {
  const env = { ...process.env }
  disableTelemetry(env)
  await promisify(execFile)(process.execPath, [program, from, to], { env })
  const packed = [join(to, 'packed.onnx'), join(to, 'packed.weights')] as const
  await alignWeights(...packed)
  for (const path of packed) await flush(path)
  await rm(dirname(from), { recursive: true })
}

/** So that after a loss of power no folder is found whose files are not whole. */
async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Stands for all that the form of packed weights depends on: onnxruntime's version and what the processor can do. */
export function machineKey(): string {
  const facts = [ort.env.versions.node, process.arch, process.platform, processorFacts()]
  return createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 8)
}

function processorFacts(): string {
  try {
    // Virtual machines of one name may offer different instructions.
    return /^(?:flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? ''
  } catch {
    return cpus()[0]?.model ?? ''
  }
}
