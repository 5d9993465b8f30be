// Writes the manifests for those without Helm from the chart, so that there is one source. Needs helm (HELM names another).
// node deploy/kubernetes/generate.mjs [--to DIR]
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chartDigest } from './chart-digest.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const chart = fileURLToPath(new URL('../helm/asr-cluster', import.meta.url))
const { values } = parseArgs({ options: { to: { type: 'string', default: here } } })

/** Manifests by the name of their template. */
function render(...flags) {
  const args = ['template', 'asr-cluster', chart, '--namespace', 'asr-cluster', '--kube-version', '1.30.0']
  const text = execFileSync(
    process.env.HELM ?? 'helm',
    [...args, '-f', join(here, 'values.yaml'), ...flags],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  const files = new Map()
  for (const document of text.split(/^---\n/m)) {
    const source = /^# Source: .*\/templates\/(.*)\n/.exec(document)
    if (!source) continue
    const plain = document
      .slice(source[0].length)
      .replaceAll(/^ *app\.kubernetes\.io\/managed-by: Helm\n/gm, '')
      .replaceAll(/^ +\n/gm, '')
    files.set(source[1], [...(files.get(source[1]) ?? []), plain.trimEnd()])
  }
  return files
}

const header = `# Generated from deploy/helm/asr-cluster by deploy/kubernetes/generate.mjs; change that, not this.\n# chart ${chartDigest()}\n`
const scaled = render('--set', 'autoscaling.enabled=true')
const files = new Map([...render(), ['autoscaling.yaml', scaled.get('autoscaling.yaml')]])
for (const [name, documents] of files) {
  writeFileSync(join(values.to, name), `${header}---\n${documents.join('\n---\n')}\n`)
}
