import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { repositoryRoot, startCluster, waitFor } from '../harness/index.js'

it('tells systemd when it is ready, that it lives, and that it stops', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'systemd-'))
  const told = join(dir, 'told')
  const program = join(dir, 'systemd-notify')
  writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${told}\n`)
  chmodSync(program, 0o755)
  writeFileSync(told, '')
  await using cluster = await startCluster({
    env: { NOTIFY_SOCKET: '/run/fake', WATCHDOG_USEC: '200000', PATH: `${dir}:${process.env['PATH']}` },
  })
  const hasTold = (text: string): Promise<unknown> =>
    waitFor(() => readFileSync(told, 'utf8').includes(text), { what: text })
  await hasTold(`/run/fake --pid=${cluster.program.pid} --ready --status=2 of 2 instances ready`)
  await hasTold('WATCHDOG=1')
  const child = await cluster.pidOf('default-0')
  expect(readFileSync(`/proc/${child}/environ`, 'utf8')).not.toContain('NOTIFY_SOCKET')
  cluster.program.signal('SIGTERM')
  await cluster.program.exited
  await hasTold('STOPPING=1')
  rmSync(dir, { recursive: true })
})

it('has a socket unit with the address of the configuration that is shipped: another one is refused', () => {
  const unit = readFileSync(join(repositoryRoot, 'deploy/systemd/asr-cluster.socket'), 'utf8')
  const config = parse(readFileSync(join(repositoryRoot, 'config/asr-cluster.yaml'), 'utf8')) as {
    balancer: { host: string; port: number }
  }
  const { host, port } = config.balancer
  expect(/^ListenStream=(.*)$/m.exec(unit)?.[1]).toBe(`${host}:${port}`)
})

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0

it.skipIf(!hasAnalyze)('has unit files that systemd accepts', () => {
  const units = ['asr-cluster.service', 'asr-cluster.socket'].map((name) =>
    join(repositoryRoot, `deploy/systemd/${name}`),
  )
  // Prints what it finds and fails for what it cannot read.
  const said = execFileSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' })
  expect(said).toBe('')
})
