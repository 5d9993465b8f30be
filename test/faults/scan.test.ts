import { expect, it } from 'vitest'
import { repositoryRoot, runProgram } from '../harness/index.js'

it.skipIf(process.getuid?.() !== 0)(
  'shows other users no control socket, and other machines nothing but the balancer',
  async () => {
    const { stdout, stderr, code } = await runProgram(`${repositoryRoot}bench/faults/scan.mjs`)
    expect(stdout, stderr).toMatch(/[4-9] listening ports, 0 problems, 0 processes left/)
    expect(stdout).toContain('closed  as another user: control socket')
    expect(code).toBe(0)
  },
)
