/** `90` → `1 min`, the two largest units at most: `3 h 5 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds)
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60,
  ]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`
}

/** Three significant digits, without an exponent. */
export function formatNumber(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 100) return Math.round(value).toString()
  return Number(value.toPrecision(3)).toString()
}

/** A time of work: `0.0421` → `42 ms`, `3.21` → `3.21 s`. */
export function formatSeconds(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1_000)} ms` : `${formatNumber(seconds)} s`
}

export function formatBytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${formatNumber(bytes / 2 ** 30)} GiB` : `${formatNumber(bytes / 2 ** 20)} MiB`
}

/** Place in a recording: `75.2` → `1:15.2`. */
export function formatPosition(seconds: number): string {
  const rest = (seconds % 60).toFixed(1)
  return `${Math.floor(seconds / 60)}:${rest.padStart(4, '0')}`
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `value`: the top of an axis. */
export function niceCeiling(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value) ?? value
}
