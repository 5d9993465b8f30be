import { formatNumber, formatSeconds } from '../data/format.js'
import type { Rates } from '../data/rates.js'
import { Chart, type Series } from './chart.js'

type Figure = Exclude<keyof Rates, 'atMs'>

export function ChartsPanel({ history }: { history: readonly Rates[] }) {
  const series = (name: string, figure: Figure): Series => ({
    name,
    points: history.map((rates) => ({ atMs: rates.atMs, value: rates[figure] })),
  })
  return (
    <section aria-labelledby="load">
      <h2 id="load">Load</h2>
      <div class="charts">
        <Chart
          title="Requests per second"
          format={formatNumber}
          series={[series('all', 'requestsPerSecond'), series('failed', 'errorsPerSecond')]}
        />
        <Chart
          title="Latency"
          format={formatSeconds}
          series={[series('p50', 'latencyP50'), series('p95', 'latencyP95')]}
        />
        <Chart
          title="Real-time factor"
          format={formatNumber}
          series={[series('work for 1 s of sound', 'realTimeFactor')]}
        />
        <Chart
          title="Sound per second"
          format={(value) => `${formatNumber(value)} s`}
          series={[series('transcribed', 'audioSecondsPerSecond')]}
        />
      </div>
    </section>
  )
}
