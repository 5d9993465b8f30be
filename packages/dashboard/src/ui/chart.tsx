import { niceCeiling } from '../data/format.js'
import { historyMs } from './use-cluster.js'

export interface Series {
  name: string
  /** Newest last; null is a gap. */
  points: readonly { atMs: number; value: number | null }[]
}

export interface ChartProps {
  title: string
  series: readonly Series[]
  format: (value: number) => string
}

const width = 300
const height = 100
/** Points further apart have a gap between them: the page was hidden, or the server away. */
const gapMs = 12_000

/** Lines of the last five minutes; the right edge is the newest point. */
export function Chart({ title, series, format }: ChartProps) {
  const values = series.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []))
  const top = niceCeiling(Math.max(0, ...values))
  const endMs = Math.max(0, ...series.map(({ points }) => points.at(-1)?.atMs ?? 0))
  const latest = series.map(({ name, points }) => {
    const value = points.at(-1)?.value ?? null
    return { name, text: value === null ? 'none' : format(value) }
  })
  return (
    <figure class="chart card">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {latest.map(({ name, text }, index) => (
            <li key={name}>
              <svg class={`key line-${index}`} viewBox="0 0 18 4" aria-hidden="true">
                <path d="M0 2H18" />
              </svg>
              {name} <b>{text}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="plot">
        <span class="top">{format(top)}</span>
        <span class="bottom">0</span>
        <svg
          viewBox={`0 0 ${width} ${height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title}, last 5 minutes. Now: ${latest.map(({ name, text }) => `${name} ${text}`).join(', ')}`}
        >
          <path class="grid" d={`M0 0H${width}M0 ${height / 2}H${width}M0 ${height}H${width}`} />
          {series.map(({ name, points }, index) => (
            <path key={name} class={`line-${index}`} d={linePath(points, endMs, top)} />
          ))}
        </svg>
      </div>
      <div class="times" aria-hidden="true">
        <span>5 min ago</span>
        <span>now</span>
      </div>
    </figure>
  )
}

function linePath(points: Series['points'], endMs: number, top: number): string {
  let path = ''
  let lastMs = Number.NEGATIVE_INFINITY
  for (const { atMs, value } of points) {
    if (value === null) {
      lastMs = Number.NEGATIVE_INFINITY
      continue
    }
    const x = width * (1 - (endMs - atMs) / historyMs)
    const y = height * (1 - Math.min(value / top, 1))
    const command = atMs - lastMs > gapMs ? 'M' : 'L'
    path += `${command}${x.toFixed(1)} ${y.toFixed(1)}`
    // A lone point would have no length and not be seen.
    if (command === 'M') path += 'h0.5'
    lastMs = atMs
  }
  return path
}
