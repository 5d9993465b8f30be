import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { runDetached } from './detach.js'

it('shows the errors of a detached supervisor on standard error', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'detach-'))
  const { argv } = process
  onTestFinished(() => {
    process.argv = argv
    rmSync(dir, { recursive: true })
  })
  const script = join(dir, 'supervisor.mjs')
  writeFileSync(
    script,
    `process.send({ line: 'starting', isError: false })
process.send({ line: 'default-0 failed', isError: true })
process.send({ exit: 78 })
`,
  )
  process.argv = [argv[0] ?? 'node', script]
  const printed: string[] = []
  const complained: string[] = []
  const output = {
    print: (line: string) => void printed.push(line),
    complain: (line: string) => void complained.push(line),
    isTerminal: false,
  }
  expect(await runDetached({ output, cwd: dir, env: process.env }, dir)).toBe(78)
  expect([printed, complained]).toEqual([['starting'], ['default-0 failed']])
})
