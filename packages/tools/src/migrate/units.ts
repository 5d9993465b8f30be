/** nginx: `300`, `300s`, `5m`, `500ms`, `1h` → our duration; null for what has several parts or another unit. */
export function nginxDuration(text: string): string | null {
  const match = /^(\d+)(ms|s|m|h)?$/.exec(text)
  return match ? `${match[1]}${match[2] ?? 's'}` : null
}

/** nginx: `100m`, `8k`, `1g`, bytes → our size. nginx counts in powers of two. */
export function nginxSize(text: string): string | null {
  const match = /^(\d+)([kmg])?$/i.exec(text)
  if (!match) return null
  return `${match[1]}${{ k: 'KiB', m: 'MiB', g: 'GiB' }[match[2]?.toLowerCase() ?? ''] ?? 'B'}`
}

/** supervisord: `10MB`, `512KB`, `1GB`, bytes → our size. supervisord counts in powers of two too. */
export function supervisorSize(text: string): string | null {
  const match = /^(\d+)\s*(KB|MB|GB)?$/i.exec(text)
  if (!match) return null
  return `${match[1]}${{ KB: 'KiB', MB: 'MiB', GB: 'GiB' }[match[2]?.toUpperCase() ?? ''] ?? 'B'}`
}

/** A number of theirs within our bounds; `problem` says what was changed, null where nothing was. */
export function boundedInteger(
  text: string,
  min: number,
  max: number,
): { value: number | null; problem: string | null } {
  const given = /^\s*\d+\s*$/.test(text) ? Number(text) : null
  if (given === null) return { value: null, problem: 'not a whole number; the default is used' }
  if (given < min) return { value: min, problem: `here it is at least ${min}, which is used` }
  if (given > max) return { value: max, problem: `here it is at most ${max}, which is used` }
  return { value: given, problem: null }
}
