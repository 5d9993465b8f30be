import type { CompileOptions } from '@asr-cluster/asr-instance'
import type { Quantization } from '@asr-cluster/protocol'
import type { PullRecord } from '../store/model-store.js'
import { pullModel, type PullOptions, type PullWorld } from './pull-model.js'

export interface PulledModel {
  record: PullRecord
  dir: string
  quantization: Quantization
}

/** Pulls a model and compiles it, so that `up` has nothing left to wait for. Throws ToolError, CheckpointError. */
export async function pullAndCompile(
  options: PullOptions & Pick<CompileOptions, 'quantization' | 'cacheDir'>,
  world: PullWorld,
): Promise<PulledModel> {
  const { dir, quantization, cacheDir } = options
  const record = await pullModel(options, world)
  const { compileModel } = await import('@asr-cluster/asr-instance')
  let shown = -1
  const compiled = await compileModel({
    modelDir: dir,
    cacheDir,
    quantization,
    onProgress: (ratio, detail) => {
      // Each further tenth, and each new thing that is done.
      const step = Math.floor(ratio * 10)
      if (step === shown) return
      shown = step
      world.progress.say(`${Math.floor(ratio * 100)} % ${detail}`)
    },
    onWarning: (message) => world.progress.say(message),
  })
  return { record, dir, quantization: compiled.quantization }
}
