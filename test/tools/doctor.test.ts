import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { binOf, runProgram, startCluster } from '../harness/index.js'

interface Diagnosis {
  ok: boolean
  findings: { name: string; status: string; detail: string; fix: string | null }[]
}

function place(): { dir: string; doctor: (...args: string[]) => ReturnType<typeof runProgram> } {
  const dir = mkdtempSync(join(tmpdir(), 'asr-doctor-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const env = { XDG_RUNTIME_DIR: dir }
  return {
    dir,
    doctor: (...args) => runProgram(binOf('asr-cluster'), { args: ['doctor', ...args], env, cwd: dir }),
  }
}

it('finds nothing missing where the tests run', async () => {
  const { dir, doctor } = place()
  writeFileSync(join(dir, 'asr-cluster.yaml'), 'balancer: { port: 0 }\ngroups: [{ basePort: 0 }]\n')
  const { code, stdout, stderr } = await doctor()
  expect(code, stdout).toBe(0)
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^✓ Node: v/)
  expect(stdout).toContain('✓ configuration: valid')
  expect(stdout).toMatch(/\d+ well, \d+ could be better, 0 missing\n$/)
})

it('says who holds the port and ends with 1', async () => {
  const { dir, doctor } = place()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  writeFileSync(join(dir, 'asr-cluster.yaml'), `balancer: { port: ${port} }\ngroups: [{ basePort: 0 }]\n`)
  const { code, stdout } = await doctor('--json')
  expect(code).toBe(1)
  const diagnosis = JSON.parse(stdout) as Diagnosis
  expect(diagnosis.ok).toBe(false)
  expect(diagnosis.findings.filter(({ status }) => status === 'missing')).toEqual([
    {
      name: 'ports',
      status: 'missing',
      detail: expect.stringContaining(`(pid ${process.pid})`) as string,
      fix: expect.stringContaining('--port') as string,
    },
  ])
})

it('shows a mistake in the configuration with its place', async () => {
  const { dir, doctor } = place()
  writeFileSync(join(dir, 'asr-cluster.yaml'), 'balancer: { prot: 1 }\n')
  const { code, stdout } = await doctor()
  expect(code).toBe(1)
  expect(stdout).toMatch(/✗ configuration: .*asr-cluster\.yaml:1:\d+: .*prot/)
})

it('takes a cluster that runs for nothing wrong', async () => {
  await using cluster = await startCluster()
  const { code, stdout } = await cluster.cli('doctor')
  expect(code, stdout).toBe(0)
})
