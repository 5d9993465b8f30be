/** `warning`: it works, but less well, or not all of it. `missing`: it will not work. */
export type FindingStatus = 'ok' | 'warning' | 'missing'

/** One line of the report. */
export interface Finding {
  name: string
  status: FindingStatus
  /** What was found. */
  detail: string
  /** What to do about it; null where nothing is to be done. */
  fix: string | null
}

export function ok(name: string, detail: string): Finding {
  return { name, status: 'ok', detail, fix: null }
}

export function warning(name: string, detail: string, fix: string): Finding {
  return { name, status: 'warning', detail, fix }
}

export function missing(name: string, detail: string, fix: string): Finding {
  return { name, status: 'missing', detail, fix }
}
