import { Counter, Gauge, Registry } from 'prom-client'
import { instanceStates } from '@asr-cluster/protocol'
import type { Gpu } from '../gpu/gpu.js'
import { createCpuUse } from './cpu-use.js'
import type { ClusterEvent } from './events.js'

/** The supervisor's part of the cluster's `/metrics`; the balancer shows it. */
export interface SupervisorMetrics {
  readonly registry: Registry
  record: (event: ClusterEvent) => void
  recordDesired(group: string, count: number): void
  /** Null: it could not be measured. */
  recordEvaluation(group: string, result: { wer: number; atMs: number } | null): void
  recordGpus: (gpus: readonly Gpu[]) => void
  /** Series of an instance that is no more. */
  forget(id: string): void
}

export function createSupervisorMetrics(): SupervisorMetrics {
  const registry = new Registry()
  const restarts = new Counter({
    name: 'asr_instance_restarts_total',
    help: 'Times an instance (or the balancer) was started again, by cause.',
    labelNames: ['instance', 'reason'] as const,
    registers: [registry],
  })
  const transitions = new Counter({
    name: 'asr_instance_transitions_total',
    help: 'Changes of state, by the state that was entered.',
    labelNames: ['instance', 'state'] as const,
    registers: [registry],
  })
  const state = new Gauge({
    name: 'asr_instance_state',
    help: '1 for the state that an instance is in, 0 for the others.',
    labelNames: ['instance', 'state'] as const,
    registers: [registry],
  })
  const cpuUse = createCpuUse()
  new Gauge({
    name: 'asr_cpu_utilization_ratio',
    help: 'Share of all cores of the machine that was busy, by anybody.',
    registers: [registry],
    collect() {
      this.set(cpuUse())
    },
  })
  const gpuGauge = (name: string, help: string): Gauge<'gpu'> =>
    new Gauge({ name, help, labelNames: ['gpu'] as const, registers: [registry] })
  const gpuUtilization = gpuGauge('asr_gpu_utilization_ratio', 'Share of the time that the GPU was busy.')
  const gpuMemoryUsed = gpuGauge('asr_gpu_memory_used_bytes', 'Memory of the GPU in use, by anybody.')
  const gpuMemoryTotal = gpuGauge('asr_gpu_memory_total_bytes', 'Memory that the GPU has.')
  const gpuTemperature = gpuGauge('asr_gpu_temperature_celsius', 'Temperature of the GPU.')
  const desired = new Gauge({
    name: 'asr_autoscale_desired_instances',
    help: 'Instances that the autoscaler wants, by group.',
    labelNames: ['group'] as const,
    registers: [registry],
  })
  const evalGauge = (name: string, help: string): Gauge<'group'> =>
    new Gauge({ name, help, labelNames: ['group'] as const, registers: [registry] })
  const wordErrorRate = evalGauge('asr_eval_wer_ratio', 'Word error rate of the last measurement, by group.')
  const evalTime = evalGauge(
    'asr_eval_timestamp_seconds',
    'When the word error rate was measured, Unix time.',
  )
  const evalSuccess = evalGauge('asr_eval_success', '1 when the last measurement gave a rate, else 0.')
  return {
    registry,
    recordDesired: (group, count) => desired.set({ group }, count),
    recordEvaluation(group, result) {
      evalSuccess.set({ group }, result === null ? 0 : 1)
      if (result === null) return
      wordErrorRate.set({ group }, result.wer)
      evalTime.set({ group }, result.atMs / 1_000)
    },
    recordGpus(gpus) {
      for (const gauge of [gpuUtilization, gpuMemoryUsed, gpuMemoryTotal, gpuTemperature]) gauge.reset()
      for (const gpu of gpus) {
        const labels = { gpu: String(gpu.index) }
        if (gpu.utilization !== null) gpuUtilization.set(labels, gpu.utilization)
        if (gpu.temperatureCelsius !== null) gpuTemperature.set(labels, gpu.temperatureCelsius)
        if (gpu.memoryUsedBytes !== null) gpuMemoryUsed.set(labels, gpu.memoryUsedBytes)
        if (gpu.memoryTotalBytes !== null) gpuMemoryTotal.set(labels, gpu.memoryTotalBytes)
      }
    },
    record(event) {
      if (event.type !== 'state') return
      const { id: instance, to, restart } = event
      transitions.inc({ instance, state: to })
      for (const name of instanceStates) state.set({ instance, state: name }, name === to ? 1 : 0)
      if (restart !== null) restarts.inc({ instance, reason: restart })
    },
    forget(instance) {
      for (const name of instanceStates) state.remove({ instance, state: name })
    },
  }
}
