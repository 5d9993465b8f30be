import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { repositoryRoot, startCommand, waitFor } from '../harness/index.js'

const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** Our rules with all of their times made shorter, so that a test sees in seconds what takes minutes. */
export function fasterRules(text: string, factor: number): string {
  const shorter = (amount: string, unit: keyof typeof seconds): string =>
    `${Math.ceil((Number(amount) * seconds[unit] * 1_000) / factor)}ms`
  return (
    text
      .replaceAll(/\[(\d+)([smhd])\]/g, (_, amount: string, unit: 's') => `[${shorter(amount, unit)}]`)
      .replaceAll(/for: (\d+)([smhd])/g, (_, amount: string, unit: 's') => `for: ${shorter(amount, unit)}`)
      // Waits and durations are times too.
      .replaceAll(
        /(p95_5m > )(\d+)/g,
        (_, before: string, value: string) => `${before}${Number(value) / factor}`,
      )
  )
}

export interface Prometheus extends AsyncDisposable {
  /** Names of the alerts that fire now. */
  firing(): Promise<Set<string>>
  query(expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>
}

/** A real Prometheus that scrapes `target` twice a second, with our rules. */
export async function startPrometheus(target: string, dir: string, factor: number): Promise<Prometheus> {
  const rules = join(dir, 'rules')
  mkdirSync(rules)
  for (const name of ['recording.yml', 'alerts.yml']) {
    const text = readFileSync(`${repositoryRoot}config/prometheus/rules/${name}`, 'utf8')
    writeFileSync(join(rules, name), fasterRules(text, factor))
  }
  const config = readFileSync(`${repositoryRoot}config/prometheus/prometheus.yml`, 'utf8')
    .replaceAll(': 5s', ': 500ms')
    .replace('127.0.0.1:7860', target)
  writeFileSync(join(dir, 'prometheus.yml'), config)
  const port = await freePort()
  const program = startCommand(
    'prometheus',
    [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { deadlineMs: 280_000 },
  )
  const url = `http://127.0.0.1:${port}/api/v1`
  const get = async (path: string): Promise<unknown> =>
    ((await (await fetch(`${url}/${path}`)).json()) as { data: unknown }).data
  await waitFor(
    () =>
      fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    {
      what: 'Prometheus',
      context: program.output,
    },
  )
  return {
    async firing() {
      const { alerts } = (await get('alerts')) as {
        alerts: { state: string; labels: { alertname: string } }[]
      }
      return new Set(alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname))
    },
    async query(expression) {
      const found = await get(`query?query=${encodeURIComponent(expression)}`)
      return (found as { result: { metric: Record<string, string>; value: [number, string] }[] }).result
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
