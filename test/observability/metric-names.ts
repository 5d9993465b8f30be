import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { repositoryRoot } from '../harness/index.js'

interface Rules {
  groups: { rules: { expr: string; record?: string; alert?: string }[] }[]
}

interface GrafanaDashboard {
  panels: { title: string; targets: { expr: string }[] }[]
  templating: { list: { query?: string }[] }
}

/** Where an expression stands, and the expression. */
export interface Query {
  where: string
  expr: string
}

export function ruleQueries(file: string): Query[] {
  const rules = parse(readFileSync(`${repositoryRoot}config/prometheus/rules/${file}`, 'utf8')) as Rules
  return rules.groups.flatMap((group) =>
    group.rules.map(({ expr, record, alert }) => ({ where: `${file}: ${record ?? alert}`, expr })),
  )
}

export function dashboardQueries(): Query[] {
  const text = readFileSync(`${repositoryRoot}config/grafana/asr-cluster.json`, 'utf8')
  const { panels, templating } = JSON.parse(text) as GrafanaDashboard
  return [
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ where: title, expr }))),
    ...templating.list.flatMap(({ query }) =>
      query?.includes('asr_') ? [{ where: 'variable', expr: query }] : [],
    ),
  ]
}

/** Names of our metrics (and of recorded series) in a PromQL expression. */
export function metricNamesIn(expr: string): string[] {
  const withoutStrings = expr.replaceAll(/"[^"]*"/g, '""')
  return [...new Set(withoutStrings.match(/\b(?:\w+:)?asr_\w+(?::\w+)?/g) ?? [])]
}

/** The names that an exposition defines, with those that histograms add. */
export function exposedNames(exposition: string): Set<string> {
  const names = new Set<string>()
  for (const [, name = '', type] of exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    names.add(name)
    if (type === 'histogram') for (const suffix of ['bucket', 'sum', 'count']) names.add(`${name}_${suffix}`)
  }
  return names
}
