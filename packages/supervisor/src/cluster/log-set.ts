import { join } from 'node:path'
import type { SupervisorConfig } from '../config/schema.js'
import { createProgramLog } from '../logs/program-log.js'
import type { LogListener, ProgramLog } from '../logs/program-log.js'
import { createRotatingFile } from '../logs/rotating-file.js'
import type { Clock } from '../world/clock.js'
import type { EventBus } from './events.js'

/** The open logs of a cluster, one per program. */
export interface LogSet {
  readonly dir: string
  get(id: string): ProgramLog
  subscribe(listener: LogListener): () => void
  close(): void
}

export function createLogSet(config: SupervisorConfig['logs'], clock: Clock, bus: EventBus): LogSet {
  const logs = new Map<string, ProgramLog>()
  const listeners = new Set<LogListener>()
  return {
    dir: config.dir,
    get(id) {
      const known = logs.get(id)
      if (known) return known
      const file = createRotatingFile({
        path: join(config.dir, `${id}.log`),
        maxBytes: config.maxBytes,
        backups: config.backups,
        onTrouble(trouble) {
          const text =
            'message' in trouble
              ? `${trouble.message}; its lines are dropped until it works again`
              : `the log works again; ${trouble.lostLines} lines were lost`
          bus.emit({ type: 'notice', level: 'error', id, text })
        },
      })
      const log = createProgramLog(id, file, clock, (source, line) => {
        for (const listener of listeners) listener(source, line)
      })
      logs.set(id, log)
      return log
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      for (const log of logs.values()) log.close()
    },
  }
}
