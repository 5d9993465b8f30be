import { backupCommand } from './commands/backup.js'
import { benchCommand } from './commands/bench.js'
import { doctorCommand } from './commands/doctor.js'
import { evalCommand } from './commands/eval.js'
import { importCommand } from './commands/import.js'
import { modelsCommand } from './commands/models.js'
import { monitorCommand } from './commands/monitor.js'
import { pullCommand } from './commands/pull.js'
import { restoreCommand } from './commands/restore.js'
import { transcribeCommand } from './commands/transcribe.js'
import { verifyCommand } from './commands/verify.js'
import type { Command } from './context.js'

/** What one does with a cluster, or to have one: logic in packages/tools, command lines here. */
export function addToolCommands(add: <Args>(command: Command<Args>) => void): void {
  add(transcribeCommand)
  add(pullCommand)
  add(modelsCommand)
  add(doctorCommand)
  add(verifyCommand)
  add(evalCommand)
  add(benchCommand)
  add(monitorCommand)
  add(backupCommand)
  add(restoreCommand)
  add(importCommand)
}
