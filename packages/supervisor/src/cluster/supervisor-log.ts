import { pino } from 'pino'
import type { ProgramLog } from '../logs/program-log.js'
import { describeEvent } from './events.js'
import type { ClusterEvent } from './events.js'

/** Writes events to the supervisor's own log, as JSON lines with all their fields. */
export function createEventLogger(log: ProgramLog): (event: ClusterEvent) => void {
  const logger = pino(
    { base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => log.append('stdout', line.trimEnd()) },
  )
  return (event) => {
    // The log of the supervisor reports its own trouble on the console only, or it would never end.
    if (event.type === 'notice' && event.id === log.id) return
    const level = event.type === 'notice' ? event.level : levelOf(event)
    logger[level]({ event }, describeEvent(event))
  }
}

function levelOf(event: Exclude<ClusterEvent, { type: 'notice' }>): 'info' | 'warn' | 'error' {
  if (event.type === 'progress') return 'info'
  if (event.to === 'failed') return 'error'
  return event.to === 'backoff' ? 'warn' : 'info'
}
