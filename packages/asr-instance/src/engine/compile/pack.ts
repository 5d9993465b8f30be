import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { disableTelemetry } from '../runtime/disable-telemetry.js'

/** Below this a weight stands in the graph itself. */
const smallestExternalBytes = 1024

/**
 * Rewrites a graph of the processor with its weights as onnxruntime's kernels want them, which every load would have to
 * do otherwise, in private memory. Packed weights are mapped: they are read when they are first needed, and all instances
 * of a machine share their pages. Blocks the thread for seconds, and holds the weights twice meanwhile.
 */
export async function packGraph(from: string, to: string): Promise<void> {
  disableTelemetry()
  const session = await ort.InferenceSession.create(from, {
    optimizedModelFilePath: join(to, 'packed.onnx'),
    // It warns that the result is for this machine only, which machineKey sees to.
    logSeverityLevel: 3,
    extra: {
      session: {
        save_external_prepacked_constant_initializers: '1',
        optimized_model_external_initializers_file_name: 'packed.weights',
        optimized_model_external_initializers_min_size_in_bytes: String(smallestExternalBytes),
      },
    },
  })
  await session.release()
  await rm(dirname(from), { recursive: true })
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
