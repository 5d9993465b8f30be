import { expect, it } from 'vitest'
import { repositoryRoot, runProgram } from '../harness/index.js'

it('survives 6,000 damaged inputs, and everything that was found before', async () => {
  const { stdout, stderr, code } = await runProgram(`${repositoryRoot}bench/fuzz/run.mjs`, {
    args: ['--inputs', '6000', '--seed', '7'],
  })
  expect(stdout, stdout + stderr).toContain('seed 7: 6000 inputs, crashes 0, hangs 0')
  expect(code).toBe(0)
})
