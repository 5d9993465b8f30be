import { readFileSync } from 'node:fs'
import { quantile } from '../../balancer/lib/load.mjs'

/** Sorts what the clients saw, given when each fault was (`from` to `to`, ms of the wall clock). */
export function judgeRecords(records, windows, lateMs) {
  const excusing = windows.filter(({ breaksConnections }) => breaksConnections)
  const excuseOf = (at) => excusing.find(({ from, to }) => at >= from - 50 && at <= to + 1_000)
  const result = { right: 0, wrong: [], lost: [], refused: [], late: 0, broken: {} }
  for (const record of records) {
    const unexplained = record.breaks.find(({ at }) => !excuseOf(at))
    if (record.outcome === 'wrong') result.wrong.push(record)
    else if (record.outcome === 'right' && !unexplained) result.right += 1
    else if (record.code !== undefined) result.refused.push(record)
    else result.lost.push(record)
    if (record.latencyMs > lateMs) result.late += 1
    for (const name of new Set(record.breaks.map(({ at }) => excuseOf(at)?.name)))
      if (name) result.broken[name] = (result.broken[name] ?? 0) + 1
  }
  const latencies = records.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b)
  result.latency = [0.5, 0.99, 1].map((q) => Math.round(quantile(latencies, q)))
  return result
}

/** How often instances began and ended each request. */
export function countExecutions(file) {
  const seen = new Map()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [what, id] = line.split(' ')
    if (!id) continue
    const entry = seen.get(id) ?? { begin: 0, end: 0 }
    entry[what] += 1
    seen.set(id, entry)
  }
  const all = [...seen.values()]
  return {
    requests: all.length,
    begunTwice: all.filter(({ begin }) => begin > 1).length,
    endedTwice: all.filter(({ end }) => end > 1).length,
  }
}

/** One row per kind of fault. */
export function faultTable(windows, records) {
  const rows = new Map()
  for (const window of windows) {
    const row = rows.get(window.name) ?? { count: 0, recoveries: [], slowest: 0, notes: new Map() }
    rows.set(window.name, row)
    row.count += 1
    if (window.recoveryMs !== undefined) row.recoveries.push(window.recoveryMs)
    for (const note of window.notes) row.notes.set(note, (row.notes.get(note) ?? 0) + 1)
    for (const { at, latencyMs } of records)
      if (at >= window.from && at <= window.to) row.slowest = Math.max(row.slowest, latencyMs)
  }
  const lines = [...rows]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { count, recoveries, slowest, notes }]) => {
      recoveries.sort((a, b) => a - b)
      const notesText = [...notes].map(([note, times]) => `${times} × ${note}`).join(', ')
      const times = [quantile(recoveries, 0.5), recoveries.at(-1)].map(
        (ms) => `${((ms ?? 0) / 1_000).toFixed(1)} s`,
      )
      return `| ${[name, count, ...times, `${(slowest / 1_000).toFixed(1)} s`, notesText].join(' | ')} |`
    })
  return [
    '| fault | times | recovery, median | longest | slowest answer meanwhile | |',
    '| - | - | - | - | - | - |',
    ...lines,
  ]
}
