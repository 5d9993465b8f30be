import type { SupervisorConfig } from '../config/schema.js'
import type { MachineSettings } from '../machine/machine-types.js'

export function machineSettings(
  config: SupervisorConfig,
  readiness: MachineSettings['readiness'],
): MachineSettings {
  return {
    startTimeoutMs: config.startTimeout,
    stopTimeoutMs: config.stopTimeout,
    drainTimeoutMs: config.drainTimeout,
    startRetries: config.startRetries,
    backoffBaseMs: config.backoff.base,
    backoffCapMs: config.backoff.cap,
    readiness,
  }
}
