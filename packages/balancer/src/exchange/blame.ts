import type { Backend } from '../backend/backend.js'
import type { HealthMonitor } from '../health/monitor.js'
import { strangerCode, type Failure } from '../upstream/failure.js'

/** Passive evidence: what the failure of an attempt in that life says about the instance. */
export function blame(monitor: HealthMonitor, backend: Backend, life: number, failure: Failure): void {
  // What happened in an earlier life says nothing about this one.
  if (backend.life !== life) return
  switch (failure.kind) {
    case 'refused':
    case 'unreachable':
      monitor.eject(backend, 'refused', refusalOf(failure))
      break
    case 'broke':
      monitor.eject(backend, 'broke', `connection broke (${failure.code})`)
      break
    case 'connect-timeout':
    case 'garbled':
    case 'timeout':
      monitor.suspect(backend)
      break
    default:
  }
}

function refusalOf({ kind, code }: Failure): string {
  if (code === strangerCode) return 'somebody else answers on its port'
  return kind === 'refused' ? 'connection refused' : code
}
