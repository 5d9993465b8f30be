import { expect, it } from 'vitest'
import { repositoryRoot, runProgram } from '../harness/index.js'

it.skipIf(process.getuid?.() !== 0)(
  'answers other users of the machine, and other machines, on the port of the balancer only',
  async () => {
    const { stdout, stderr, code } = await runProgram(`${repositoryRoot}bench/faults/scan.mjs`)
    expect(stdout, stderr).toMatch(/[4-9] listening ports, 0 problems, 0 processes left/)
    expect(stdout).toContain('closed  as another user: control socket')
    expect(stdout.match(/^closed {2}as another user, over loopback: demo-\d/gm)).toHaveLength(3)
    expect(stdout.match(/^open {4}as the same user: demo-\d/gm)).toHaveLength(3)
    expect(stdout).toMatch(/^open {4}as another user, over loopback: balancer/m)
    expect(code).toBe(0)
  },
)
