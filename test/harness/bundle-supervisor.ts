import { build } from 'rolldown'
import { fixtures, supervisorProgram } from './fixtures.js'

/** Dozens of tests start it, and one file loads in half the processor time of its 400 modules (rolldown.config.mjs). */
export default async function bundleSupervisor(): Promise<void> {
  await build({
    input: `${fixtures}supervise.js`,
    platform: 'node',
    external: ['@opentelemetry/api', '@asr-cluster/asr-instance'],
    output: { file: supervisorProgram },
  })
}
