import { createEngine } from '@asr-cluster/asr-instance'

/** Our engine in this process with eight rows, without progress and metrics. */
export function openEngine({ modelDir, cacheDir, quantization, threads }) {
  return createEngine({
    modelDir,
    cacheDir,
    quantization,
    slots: 8,
    threads,
    onProgress: () => {},
    onFatal: (error) => {
      throw error
    },
    metrics: { audioSeconds() {}, inferenceSeconds() {}, tokens() {}, batchSize() {} },
  })
}
