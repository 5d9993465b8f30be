import { fileURLToPath } from 'node:url'
import { nodeArguments } from '@asr-cluster/balancer'
import type { ProgramCommands } from './cluster-options.js'

/** Our two programs where npm installed them, run by the node that runs us: no shell and no npm in between. */
export function installedCommands(): ProgramCommands {
  return {
    instance: [process.execPath, binOf('@asr-cluster/asr-instance', 'asr-instance')],
    cli: [process.execPath, binOf('@asr-cluster/supervisor', 'asr-cluster')],
    balancer: [process.execPath, ...nodeArguments, binOf('@asr-cluster/balancer', 'asr-balancer')],
  }
}

function binOf(packageName: string, bin: string): string {
  return fileURLToPath(new URL(`../bin/${bin}.js`, import.meta.resolve(packageName)))
}
