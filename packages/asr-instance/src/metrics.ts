import { ownMemoryBytes } from '@asr-cluster/protocol/process'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

export type InferenceStage = 'features' | 'encoder' | 'prefill' | 'decode'

/** What the engine reports; it knows nothing of Prometheus. */
export interface EngineMetrics {
  /** Seconds of sound of a finished piece. */
  audioSeconds(seconds: number): void
  /** Wall-clock seconds that a stage took. */
  inferenceSeconds(stage: InferenceStage, seconds: number): void
  /** Tokens that the decoder wrote. */
  tokens(count: number): void
  /** Rows in one decoder step. */
  batchSize(rows: number): void
}

export interface InstanceMetrics {
  registry: Registry
  engine: EngineMetrics
}

/** prom-client's gauges whose names end in `_total`, which the exposition rules keep for counters. */
const misnamedDefaults = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** All series of this process carry the label `instance`. */
export function createMetrics(instanceId: string): InstanceMetrics {
  const registry = new Registry()
  registry.setDefaultLabels({ instance: instanceId })
  collectDefaultMetrics({ register: registry })
  for (const name of misnamedDefaults) registry.removeSingleMetric(name)
  const registers = [registry]
  const audioSeconds = new Counter({
    name: 'asr_audio_seconds_total',
    help: 'Seconds of sound transcribed.',
    registers,
  })
  const inferenceSeconds = new Counter({
    name: 'asr_inference_seconds_total',
    help: 'Seconds spent in each stage of inference.',
    labelNames: ['stage'],
    registers,
  })
  const tokens = new Counter({ name: 'asr_tokens_total', help: 'Tokens written by the decoder.', registers })
  const batchSize = new Histogram({
    name: 'asr_batch_size',
    help: 'Rows decoded together in one step.',
    buckets: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
    registers,
  })
  const memory: Gauge = new Gauge({
    name: 'asr_instance_memory_bytes',
    help: "Memory of the instance's own, without the mapped weights of the model, which instances share.",
    registers,
    collect: () => memory.set(ownMemoryBytes('self') ?? process.memoryUsage.rss()),
  })
  return {
    registry,
    engine: {
      audioSeconds: (seconds) => audioSeconds.inc(seconds),
      inferenceSeconds: (stage, seconds) => inferenceSeconds.inc({ stage }, seconds),
      tokens: (count) => tokens.inc(count),
      batchSize: (rows) => batchSize.observe(rows),
    },
  }
}
