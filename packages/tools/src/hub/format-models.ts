import { formatBytes, formatTable } from '../common/format.js'
import type { CheckedModel } from './check-models.js'
import type { StoredModel } from './list-models.js'

/** The table of `asr-cluster models`. */
export function formatModels(models: readonly StoredModel[]): string[] {
  if (models.length === 0)
    return ['no model was pulled yet; for example: asr-cluster pull Qwen/Qwen3-ASR-0.6B']
  const rows = models.map(({ model, state, bytes, compiled, commit, pulledAt }) => [
    model,
    formatBytes(bytes),
    compiled.join(', ') || '-',
    commit?.slice(0, 12) ?? '-',
    state === 'complete' ? (pulledAt ?? '').slice(0, 10) : 'incomplete: pull it again to go on',
  ])
  return formatTable(['MODEL', 'SIZE', 'COMPILED', 'COMMIT', 'PULLED'], rows, new Set([1]))
}

interface CacheEntry {
  bytes: number
}

/** What is said of compiled models that this version does not use, if there are any. */
export function formatOutdated(entries: readonly CacheEntry[]): string[] {
  if (entries.length === 0) return []
  return [`earlier versions left ${countOf(entries)}, unused: asr-cluster models --prune removes them`]
}

export function formatRemoved(entries: readonly CacheEntry[]): string {
  if (entries.length === 0) return 'nothing to remove: no earlier version left a compiled model'
  return `removed ${countOf(entries)}`
}

/** What `models --check` found: what to do about each that is damaged, and the sum. */
export function formatChecked(pulled: readonly CheckedModel[], compiled: readonly CheckedModel[]): string[] {
  const lines = (models: readonly CheckedModel[], fix: string): string[] =>
    models.flatMap(({ path, damage }) => (damage === undefined ? [] : [`✗ ${path}: ${damage}`, `    ${fix}`]))
  const damaged = [
    ...lines(pulled, 'Pull it again: what is damaged is fetched anew.'),
    ...lines(
      compiled,
      'Remove the folder, then restart the instances: the first one compiles the model anew.',
    ),
  ]
  const count = [...pulled, ...compiled].filter(({ damage }) => damage !== undefined).length
  const read = `read ${pulled.length} pulled and ${compiled.length} compiled`
  return [...damaged, `${read}: ${count === 0 ? 'all as written' : `${count} damaged`}`]
}

/** `2 compiled models, 6.30 GB` */
function countOf(entries: readonly CacheEntry[]): string {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  return `${entries.length} compiled model${entries.length === 1 ? '' : 's'}, ${formatBytes(bytes)}`
}
