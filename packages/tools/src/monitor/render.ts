import { styleText } from 'node:util'
import { formatBytes, formatDuration, formatSeconds } from '../common/format.js'
import type { GpuView, InstanceView, MonitorView } from './view.js'

export interface RenderOptions {
  columns: number
  /** Further instances are only counted. */
  rows: number
  hasColours: boolean
}

type Colour = Parameters<typeof styleText>[0]

const stateColours: Readonly<Record<string, Colour>> = {
  ready: 'green',
  up: 'green',
  starting: 'cyan',
  probing: 'cyan',
  draining: 'cyan',
  stopping: 'cyan',
  backoff: 'yellow',
  ejected: 'yellow',
  failed: 'red',
  stopped: 'gray',
}

/** The view in lines that fit into the columns: made for 80, wider only where names are. */
export function render(view: MonitorView, url: string, options: RenderOptions): string[] {
  const head = headLines(view, url).map((line) => cut(line, options.columns))
  const gpus = view.gpus.map((gpu) => cut(gpuLine(gpu), options.columns))
  const trouble =
    view.trouble === null ? [] : [paint(cut(`! ${view.trouble}`, options.columns), 'red', options)]
  const room = Math.max(1, options.rows - head.length - gpus.length - trouble.length - 4)
  return [
    ...head,
    ...trouble,
    '',
    ...instanceLines(view.instances, room, options),
    ...(gpus.length > 0 ? ['', ...gpus] : []),
  ]
}

function headLines(view: MonitorView, url: string): string[] {
  const { version, uptimeSeconds, policy, cpuShare } = view
  return [
    [
      `asr-cluster${version === null ? '' : ` ${version}`}`,
      url,
      ...(uptimeSeconds === null ? [] : [`up ${formatDuration(uptimeSeconds)}`]),
      ...(policy === null ? [] : [policy]),
    ].join('  '),
    [
      `${rate(view.requestsPerSecond)} requests/s`,
      `${rate(view.failuresPerSecond)} failed/s`,
      `p50 ${seconds(view.p50Seconds)}`,
      `p95 ${seconds(view.p95Seconds)}`,
      `in flight ${view.inFlight ?? '-'}`,
      `queued ${view.queueDepth ?? '-'}`,
    ].join('  '),
    [
      `${rate(view.audioSecondsPerSecond)} audio s/s`,
      `RTF ${factor(view.realTimeFactor)}`,
      ...(cpuShare === null ? [] : [`processor ${bar(cpuShare, 10)} ${Math.round(cpuShare * 100)} %`]),
      `over ${formatSeconds(view.windowSeconds)}`,
    ].join('  '),
  ]
}

const header = ['INSTANCE', 'STATE', 'LOAD', 'REQ/S', 'P50', 'P95', 'RTF', 'MEMORY', 'RESTARTS']
const widths = [14, 8, 10, 6, 6, 6, 6, 7, 8]
const right = new Set([3, 4, 5, 6, 7, 8])

function instanceLines(instances: readonly InstanceView[], room: number, options: RenderOptions): string[] {
  if (instances.length === 0) return ['no instances']
  const shown = instances.slice(0, room)
  const lines = shown.flatMap((instance) => {
    const cells = layOut([
      instance.id,
      instance.state,
      `${bar(share(instance), 4)} ${instance.inFlight}/${instance.slots ?? '?'}`,
      rate(instance.requestsPerSecond),
      seconds(instance.p50Seconds),
      seconds(instance.p95Seconds),
      factor(instance.realTimeFactor),
      instance.memoryBytes === null ? '-' : formatBytes(instance.memoryBytes),
      instance.restarts === null ? '-' : String(instance.restarts),
    ])
    cells[1] = paint(cells[1] as string, stateColours[instance.state] ?? 'white', options)
    const note =
      instance.note === null ? [] : [paint(cut(`  ${instance.note}`, options.columns), 'yellow', options)]
    return [cells.join(' ').trimEnd(), ...note]
  })
  const more = instances.length - shown.length
  return [layOut(header).join(' ').trimEnd(), ...lines, ...(more > 0 ? [`… and ${more} more`] : [])]
}

function layOut(cells: readonly string[]): string[] {
  return cells.map((cell, column) => {
    const width = widths[column] as number
    return right.has(column) ? cell.padStart(width) : cut(cell, width).padEnd(width)
  })
}

function gpuLine({ gpu, utilization, usedBytes, totalBytes, temperatureCelsius }: GpuView): string {
  const use =
    utilization === null ? 'use unknown' : `${bar(utilization, 10)} ${Math.round(utilization * 100)} %`
  const memory =
    usedBytes === null
      ? ''
      : `  memory ${formatBytes(usedBytes)}${totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`}`
  const heat = temperatureCelsius === null ? '' : `  ${temperatureCelsius} °C`
  return `GPU ${gpu}  ${use}${memory}${heat}`
}

function share({ inFlight, slots }: InstanceView): number {
  return slots === null || slots === 0 ? 0 : inFlight / slots
}

/** `██▌░`: filled to an eighth of a character. */
export function bar(ratio: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, ratio)) * width * 8)
  const full = '█'.repeat(Math.floor(eighths / 8))
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? ''
  return (full + part).padEnd(width, '░')
}

function rate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

function seconds(value: number | null): string {
  return value === null ? '-' : formatSeconds(value)
}

function factor(value: number | null): string {
  return value === null ? '-' : value.toFixed(3)
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`
}

function paint(text: string, colour: Colour, { hasColours }: RenderOptions): string {
  // Whether anybody sees colours was decided by the caller.
  return hasColours ? styleText(colour, text, { validateStream: false }) : text
}
