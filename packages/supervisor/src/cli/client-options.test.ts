import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { serveControl } from '../control/control-server.js'
import { controlSocketPath } from '../control/state-dir.js'
import { clusterUrl } from './cluster-url.js'
import { connectToCluster } from './client-options.js'
import type { CliContext } from './context.js'
import { supervisorOf } from './supervisor-of.js'

const port = 7999
const args = { port, url: undefined }
const refusal = 'must be a folder of yours that nobody else can enter (mode 0700)'

interface Place {
  runtimeDir: string
  stateDir: string
  context: CliContext
}

/** A control socket that answers, in the folder that a client of this environment looks into. */
async function place(balancerUrl = `http://127.0.0.1:${port}`): Promise<Place> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'client-'))
  onTestFinished(() => rmSync(runtimeDir, { recursive: true }))
  const stateDir = join(runtimeDir, 'asr-cluster')
  mkdirSync(stateDir, { mode: 0o700 })
  const server: Server = await serveControl(controlSocketPath(stateDir, port), {
    status: () => ({}),
    balancerUrl: () => balancerUrl,
    certificate: async () => null,
    logs: async () => {},
    operations: {},
  })
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  const output = { print: () => {}, complain: () => {}, isTerminal: false }
  return { runtimeDir, stateDir, context: { output, cwd: runtimeDir, env: { XDG_RUNTIME_DIR: runtimeDir } } }
}

async function expectTaken({ context }: Place): Promise<void> {
  const client = await connectToCluster(args, context)
  await client.close()
  expect(await clusterUrl(args, context)).toBe(`http://127.0.0.1:${port}`)
}

async function expectRefused({ context }: Place): Promise<void> {
  await expect(connectToCluster(args, context)).rejects.toThrow(refusal)
  await expect(clusterUrl(args, context)).rejects.toThrow(refusal)
  await expect(supervisorOf(args, context)).rejects.toThrow(refusal)
}

it('takes no cluster from a folder that others can enter', async () => {
  const there = await place()
  await expectTaken(there)
  chmodSync(there.stateDir, 0o755)
  await expectRefused(there)
})

it.runIf(process.getuid?.() === 0)(
  'takes no cluster from a folder that somebody else has put there, but root may name another user’s',
  async () => {
    const there = await place()
    chownSync(there.stateDir, 65_534, 65_534)
    await expectRefused(there)
    chownSync(there.runtimeDir, 65_534, 65_534)
    await expectTaken(there)
    chmodSync(there.stateDir, 0o755)
    await expectRefused(there)
  },
)

it('asks a port of which no cluster is known, as of a balancer that runs alone', async () => {
  const there = await place()
  rmSync(there.stateDir, { recursive: true })
  expect(await clusterUrl(args, there.context)).toBe(`http://127.0.0.1:${port}`)
  expect(await supervisorOf(args, there.context)).toBeNull()
})

it.each([`http://10.1.2.3:${port}`, `http://[::1]:${port}`])(
  'sends requests to where the balancer listens: %s',
  async (balancerUrl) => {
    const there = await place(balancerUrl)
    expect(await clusterUrl(args, there.context)).toBe(balancerUrl)
    expect(await clusterUrl({ ...args, port: undefined }, there.context)).toBe(balancerUrl)
  },
)
