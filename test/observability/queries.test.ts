import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { closedLoop, sendClip, spokenClips } from '../cluster/clients.ts'
import { repositoryRoot, startCluster, waitFor } from '../harness/index.js'
import { dashboardQueries, exposedNames, metricNamesIn, ruleQueries } from './metric-names.ts'

const queries = [...ruleQueries('recording.yml'), ...ruleQueries('alerts.yml'), ...dashboardQueries()]
const recorded = ruleQueries('recording.yml').map(({ where }) => where.replace('recording.yml: ', ''))

test('rules, Grafana and the documentation name only what a running cluster exposes', async () => {
  const clips = await spokenClips()
  await using cluster = await startCluster({ config: { eval: { enabled: true, clips: 2, interval: '1s' } } })
  await closedLoop(2, 4, (index) => sendClip(cluster.url, clips[index]!))
  // The supervisor's part arrives some seconds after the balancer's.
  const text = await waitFor(
    async () => {
      const metrics = await (await fetch(`${cluster.url}/metrics`)).text()
      return metrics.includes('asr_eval_wer_ratio{') ? metrics : null
    },
    { what: "the supervisor's series, the last of them" },
  )
  const known = new Set([...exposedNames(text), ...recorded])
  expect(queries.length).toBeGreaterThan(35)
  const unknown = queries.flatMap(({ where, expr }) =>
    metricNamesIn(expr)
      .filter((name) => !known.has(name))
      .map((name) => `${where}: ${name}`),
  )
  expect(unknown).toEqual([])

  const documented = readFileSync(`${repositoryRoot}docs/observability.md`, 'utf8')
  const table = [...documented.matchAll(/^\| `(asr_\w+)/gm)].map(([, name]) => name)
  const own = [...text.matchAll(/^# TYPE (asr_\S+)/gm)].map(([, name]) => name)
  expect(new Set(table)).toEqual(new Set(own))
})

test('a query without a metric of ours is no query of this dashboard', () => {
  for (const { where, expr } of queries) {
    const names = metricNamesIn(expr)
    if (names.length === 0) expect(expr, where).toMatch(/\bup\b/)
  }
})
