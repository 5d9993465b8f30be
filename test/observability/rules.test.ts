import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
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
const testFiles = ['alerts.test.yml', 'drift.test.yml']

interface AlertTests {
  tests: { alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[] }[]
}

/** Names of the alerts that some test expects to fire, and not to. */
function alertTests(): { rising: Set<string>; quiet: Set<string> } {
  const all = testFiles.flatMap((name) => {
    const text = readFileSync(`${repositoryRoot}test/observability/${name}`, 'utf8')
    return (parse(text) as AlertTests).tests.flatMap((each) => each.alert_rule_test ?? [])
  })
  const namesOf = (fires: boolean): Set<string> =>
    new Set(all.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires).map(({ alertname }) => alertname))
  return { rising: namesOf(true), quiet: namesOf(false) }
}

test.skipIf(!hasPromtool())('Prometheus takes the configuration and every alert rises and falls', () => {
  expect(promtool('check', 'config', `${prometheus}/prometheus.yml`)).toContain('2 rule files found')
  for (const name of testFiles) {
    expect(promtool('test', 'rules', `test/observability/${name}`), name).toContain('SUCCESS')
  }
})

test('every alert has a test in which it rises and one in which it does not', () => {
  const rules = readFileSync(`${repositoryRoot}${prometheus}/rules/alerts.yml`, 'utf8')
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
  const { rising, quiet } = alertTests()
  expect(alerts.length).toBeGreaterThan(10)
  expect(alerts.filter((name) => !rising.has(name!))).toEqual([])
  expect(alerts.filter((name) => !quiet.has(name!))).toEqual([])
})
