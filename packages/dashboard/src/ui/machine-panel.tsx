import type { Metrics, Sample } from '@asr-cluster/protocol/metrics'
import { formatBytes } from '../data/format.js'

interface Bar {
  name: string
  ratio: number
  text: string
}

/** CPU and GPUs, where the supervisor measures them. */
export function MachinePanel({ metrics }: { metrics: Metrics }) {
  const bars = barsOf(metrics)
  if (bars.length === 0) return null
  return (
    <section aria-labelledby="machine">
      <h2 id="machine">Machine</h2>
      <div class="card bars">
        {bars.map(({ name, ratio, text }) => (
          <div class="bar" key={name}>
            <span id={`bar-${name}`}>{name}</span>
            <div
              class={ratio > 0.8 ? 'track high' : 'track'}
              role="meter"
              aria-labelledby={`bar-${name}`}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(ratio * 100)}
              aria-valuetext={text}
            >
              <div class="fill" style={{ width: `${Math.min(100, ratio * 100)}%` }} />
            </div>
            <b>{text}</b>
          </div>
        ))}
      </div>
    </section>
  )
}

function barsOf(metrics: Metrics): Bar[] {
  const all = (name: string): readonly Sample[] => metrics.get(name) ?? []
  const percent = (ratio: number): string => `${Math.round(ratio * 100)} %`
  const cpu = all('asr_cpu_utilization_ratio').map(({ value }) => ({
    name: 'CPU',
    ratio: value,
    text: percent(value),
  }))
  const gpus = all('asr_gpu_utilization_ratio').map(({ value, labels }) => ({
    name: `GPU ${labels.gpu ?? ''}`,
    ratio: value,
    text: percent(value),
  }))
  const memory = all('asr_gpu_memory_used_bytes').flatMap(({ value, labels }) => {
    const total = all('asr_gpu_memory_total_bytes').find((sample) => sample.labels.gpu === labels.gpu)?.value
    if (!total) return []
    const text = `${formatBytes(value)} of ${formatBytes(total)}`
    return [{ name: `GPU ${labels.gpu ?? ''} memory`, ratio: value / total, text }]
  })
  return [...cpu, ...gpus, ...memory]
}
