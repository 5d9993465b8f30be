import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { ArgumentsCamelCase } from 'yargs'
import type { ClusterStatus } from '@asr-cluster/protocol'
import { serveControl } from '../control/control-server.js'
import { controlSocketPath } from '../control/state-dir.js'
import { cliExit } from './exit-codes.js'
import { logsCommand } from './commands/logs.js'
import { statusCommand } from './commands/status.js'
import type { CliContext, Command } from './context.js'

const port = 7998

const status: ClusterStatus = {
  supervisor: { pid: 10, version: '0.1.0', uptimeSeconds: 1 },
  balancer: { pid: null, port, policy: 'weighted-round-robin', queueDepth: 0, inFlight: 0 },
  instances: [],
}

/** Runs a command that goes on for ever, and takes its reader away after the first line. */
async function runWithoutReader<Args>(command: Command<Args>, args: object): Promise<number> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'reader-'))
  onTestFinished(() => rmSync(runtimeDir, { recursive: true }))
  const stateDir = join(runtimeDir, 'asr-cluster')
  mkdirSync(stateDir, { mode: 0o700 })
  const server = await serveControl(controlSocketPath(stateDir, port), {
    status: () => status,
    balancerUrl: () => `http://127.0.0.1:${port}`,
    certificate: async () => null,
    async logs(_request, write, signal) {
      write({ time: '2026-01-01T00:00:00.000Z', id: 'supervisor', stream: 'stdout', text: 'a line' })
      await once(signal, 'abort')
    },
    operations: {},
  })
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  const context: CliContext = {
    output: {
      print: () => void process.stdout.emit('error', new Error('write EPIPE')),
      complain: () => {},
      isTerminal: false,
    },
    cwd: runtimeDir,
    env: { XDG_RUNTIME_DIR: runtimeDir },
  }
  // What the program itself does, so that the error alone ends nothing.
  const ignore = (): void => {}
  process.stdout.on('error', ignore)
  onTestFinished(() => void process.stdout.off('error', ignore))
  return command.run({ port, json: true, ...args } as unknown as ArgumentsCamelCase<Args>, context)
}

it('ends `logs --follow` once nobody reads it', async () => {
  expect(await runWithoutReader(logsCommand, { follow: true, lines: 1 })).toBe(cliExit.ok)
})

it('ends `status --watch` once nobody reads it', async () => {
  expect(await runWithoutReader(statusCommand, { watch: true })).toBe(cliExit.ok)
})
