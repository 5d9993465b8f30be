import { formatBytes, formatTable } from '../common/format.js'
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
