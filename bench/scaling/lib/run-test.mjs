import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const vitest = createRequire(import.meta.url)
  .resolve('vitest/package.json')
  .replace('package.json', 'vitest.mjs')

/** Runs a test of this repository with that many requests, and ends with its exit code. */
export function runTest(file, requests) {
  const child = spawn(process.execPath, [vitest, 'run', '--project', 'system', file], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ASR_TEST_REQUESTS: String(requests) },
  })
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}
