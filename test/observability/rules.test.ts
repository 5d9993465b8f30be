import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { repositoryRoot } from '../harness/index.js'
import { dashboardQueries } from './metric-names.ts'

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

/** What two balancers, each scraped, say of two instances; each balancer itself has three requests on each instance. */
const throughTwoBalancers = ['asr-balancer-a', 'asr-balancer-b'].flatMap((pod) =>
  ['demo-0', 'demo-1'].flatMap((instance) => {
    const labels = `job="asr-cluster",namespace="speech",pod="${pod}",instance="${instance}"`
    return [
      { series: `asr_instance_up{${labels}}`, values: '1x60' },
      { series: `asr_instance_in_flight{${labels}}`, values: '3x60' },
      { series: `asr_instance_memory_bytes{${labels}}`, values: '7x60' },
      { series: `asr_audio_seconds_total{${labels}}`, values: '0+50x60' },
      { series: `asr_tokens_total{${labels}}`, values: '0+50x60' },
      { series: `asr_inference_seconds_total{${labels},stage="encoder"}`, values: '0+5x60' },
      { series: `asr_inference_seconds_total{${labels},stage="decode"}`, values: '0+10x60' },
    ]
  }),
)

test.skipIf(!hasPromtool())(
  'the dashboard counts once what an instance says of itself, however many balancers pass it on',
  () => {
    const instances = ['demo-0', 'demo-1'].map(
      (instance) => `{instance="${instance}",job="asr-cluster",namespace="speech"}`,
    )
    const each = (value: number) => instances.map((labels) => ({ labels, value }))
    const expected: [string, object[]][] = [
      ['Instances up', [{ labels: '{}', value: 2 }]],
      ['In flight', [{ labels: '{}', value: 12 }]],
      ['In flight by instance', each(6)],
      ['Memory by instance', each(7)],
      ['Sound per second', [{ labels: '{}', value: 20 }]],
      ['Tokens and batches', [{ labels: '{}', value: 20 }]],
      [
        'Stages of inference',
        [
          { labels: '{stage="encoder"}', value: 2 },
          { labels: '{stage="decode"}', value: 4 },
        ],
      ],
    ]
    const queries = dashboardQueries()
    const exprOf = (title: string): string =>
      (queries.find(({ where }) => where === title)?.expr ?? '')
        .replaceAll('$job', '.*')
        .replaceAll('$__rate_interval', '1m')
    const dir = mkdtempSync(join(tmpdir(), 'asr-test-dashboard-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'dashboard.test.yml')
    const cases = expected.map(([title, samples]) => ({
      expr: exprOf(title),
      eval_time: '4m',
      exp_samples: samples,
    }))
    const made = { interval: '5s', input_series: throughTwoBalancers, promql_expr_test: cases }
    writeFileSync(file, stringify({ rule_files: [], evaluation_interval: '5s', tests: [made] }))
    expect(promtool('test', 'rules', file)).toContain('SUCCESS')
  },
)

test('every alert has a test in which it rises and one in which it does not', () => {
  const rules = readFileSync(`${repositoryRoot}${prometheus}/rules/alerts.yml`, 'utf8')
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
  const { rising, quiet } = alertTests()
  expect(alerts.length).toBeGreaterThan(10)
  expect(alerts.filter((name) => !rising.has(name!))).toEqual([])
  expect(alerts.filter((name) => !quiet.has(name!))).toEqual([])
})
