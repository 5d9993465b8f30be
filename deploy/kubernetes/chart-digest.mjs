import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const chart = fileURLToPath(new URL('../helm/asr-cluster', import.meta.url))
const values = fileURLToPath(new URL('values.yaml', import.meta.url))

/** Changes with whatever the manifests are made of; the dashboard is not in them. */
export function chartDigest() {
  const templates = readdirSync(join(chart, 'templates')).sort()
  const names = ['Chart.yaml', 'values.yaml', ...templates.map((name) => join('templates', name))]
  const hash = createHash('sha256')
  for (const file of [values, ...names.map((name) => join(chart, name))])
    hash.update(`${readFileSync(file, 'utf8')}\0`)
  return `sha256:${hash.digest('hex')}`
}
