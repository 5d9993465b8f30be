/** Fields that every line has, or that stand beside it already. */
const commonFields = new Set(['level', 'time', 'pid', 'hostname', 'name', 'instance', 'msg', 'event', 'v'])
const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** A line of our own JSON logs as one for people: `warn queue full queued=12`; any other line as it is. */
export function formatLogText(text: string): string {
  const record = parseRecord(text)
  if (record === null) return text
  const { msg, level } = record
  const fields = Object.entries(record)
    .filter(([name]) => !commonFields.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [levels[level] ?? '', msg, ...fields].filter((part) => part !== '').join(' ')
}

function parseRecord(text: string): { msg: string; level: number } | null {
  if (!text.startsWith('{')) return null
  try {
    const value = JSON.parse(text) as { msg?: unknown; level?: unknown }
    return typeof value.msg === 'string' && typeof value.level === 'number'
      ? (value as { msg: string; level: number })
      : null
  } catch {
    return null
  }
}
