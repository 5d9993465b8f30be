import { expect, it } from 'vitest'
import { repositoryRoot, runProgram } from '../harness/index.js'

/** Of a table line such as `right 900, wrong 0`. */
const figure = (text: string, name: string): number => Number(new RegExp(`${name} (\\d+)`).exec(text)?.[1])

it('loses, doubles and mistakes no request while one fault follows the other', async () => {
  const { stdout, stderr, code } = await runProgram(`${repositoryRoot}bench/faults/run.mjs`, {
    args: ['--requests', '1500', '--rate', '15', '--seed', '2', '--pause', '200'],
    deadlineMs: 230_000,
  })
  const all = stdout + stderr
  const names = ['right', 'wrong', 'lost', 'refused with an error']
  const seen = Object.fromEntries(names.map((name) => [name, figure(stdout, name)]))
  expect(seen, all).toEqual({ right: 1500, wrong: 0, lost: 0, 'refused with an error': 0 })
  expect(stdout, all).not.toContain('NOT RECOVERED')
  expect(stdout, all).toMatch(/\d+ faults of ([89]|\d\d) kinds/)
  expect(stdout, all).toContain(
    'processes left after SIGTERM: 0; the API key or an identity seen in logs, status, metrics, errors, command lines: 0',
  )
  expect(code, all).toBe(0)
}, 240_000)
