import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../harness/index.js'

function promtool(...args: string[]): string {
  return execFileSync('promtool', args, { cwd: repositoryRoot, encoding: 'utf8', stdio: 'pipe' })
}

function hasPromtool(): boolean {
  try {
    promtool('--version')
    return true
  } catch {
    console.warn('skipped: promtool is not installed (Debian: apt-get install prometheus)')
    return false
  }
}

const prometheus = 'config/prometheus'

test.skipIf(!hasPromtool())('Prometheus takes the configuration and every alert rises and falls', () => {
  expect(promtool('check', 'config', `${prometheus}/prometheus.yml`)).toContain('2 rule files found')
  expect(promtool('test', 'rules', 'test/observability/alerts.test.yml')).toContain('SUCCESS')
})
