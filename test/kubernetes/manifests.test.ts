import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { chartDigest } from '../../deploy/kubernetes/chart-digest.mjs'
import { parseUpstreams } from '../../packages/balancer/src/upstreams/parse-upstream.js'
import { repositoryRoot } from '../harness/index.js'
import { problemsOf, unknownFields, type Manifest } from './api-models.js'

const dir = join(repositoryRoot, 'deploy/kubernetes')
const chart = join(repositoryRoot, 'deploy/helm/asr-cluster')
const files = readdirSync(dir).filter((name) => name.endsWith('.yaml') && name !== 'values.yaml')
const helm = process.env['HELM'] ?? 'helm'
const hasHelm = spawnSync(helm, ['version']).status === 0

const manifestsIn = (text: string): Manifest[] =>
  parseAllDocuments(text).flatMap((document) => {
    const value = document.toJS() as Manifest | null
    return value ? [value] : []
  })
const plain = files.flatMap((name) => manifestsIn(readFileSync(join(dir, name), 'utf8')))

async function expectValid(manifests: Manifest[]): Promise<void> {
  expect((await Promise.all(manifests.map(problemsOf))).flat()).toEqual([])
  expect(unknownFields(manifests)).toEqual([])
}

interface PodSpec {
  containers: { args: string[]; ports?: { name: string }[] }[]
}
const argumentsOf = (manifest: Manifest): string[] =>
  (manifest.spec as { template: { spec: PodSpec } }).template.spec.containers[0]?.args ?? []

const servedFlag = '--served-model-name='

/** What fits together only by names, which no schema looks at. */
function expectConnected(manifests: Manifest[]): void {
  const balancer = manifests.find(({ kind }) => kind === 'Deployment')
  if (!balancer) throw new Error('no Deployment')
  const texts = argumentsOf(balancer).flatMap((arg) => (arg.startsWith('--upstream=') ? [arg.slice(11)] : []))
  const services = parseUpstreams(texts).map(({ service, member }) => ({ service, group: member.group }))
  // A name that the balancer lists and the instance does not know would be answered with 404.
  const announced = parseUpstreams(texts).map(({ member }) => member.models)
  const headless = manifests.filter(
    ({ kind, spec }) => kind === 'Service' && (spec as { clusterIP?: string }).clusterIP === 'None',
  )
  expect(services.map(({ service }) => [service?.namespace, service?.name, service?.port])).toEqual(
    headless.map(({ metadata }) => [metadata.namespace, metadata.name, 'http']),
  )
  const sets = manifests.filter(({ kind }) => kind === 'StatefulSet')
  expect(sets.map(({ spec }) => (spec as { serviceName: string }).serviceName)).toEqual(
    headless.map(({ metadata }) => metadata.name),
  )
  const served = sets.map((set) =>
    argumentsOf(set).flatMap((arg) => (arg.startsWith(servedFlag) ? [arg.slice(servedFlag.length)] : [])),
  )
  expect(served).toEqual(announced)
  const role = manifests.find(({ kind }) => kind === 'Role')
  expect(role?.['rules']).toEqual([
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ])
}

describe('the plain manifests', () => {
  it('are what the chart makes of them: run `node deploy/kubernetes/generate.mjs` after a change', () => {
    for (const name of files) {
      expect(readFileSync(join(dir, name), 'utf8'), name).toContain(`# chart ${chartDigest()}\n`)
    }
  })

  it('are valid by the schemas of Kubernetes, KEDA and the Prometheus operator, and know each other', async () => {
    expect(plain.map(({ kind }) => kind).sort()).toEqual([
      'Deployment',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'PodDisruptionBudget',
      'Role',
      'RoleBinding',
      'ScaledObject',
      'Service',
      'Service',
      'ServiceAccount',
      'ServiceMonitor',
      'StatefulSet',
    ])
    await expectValid(plain)
    expectConnected(plain)
  })

  it('leave the number of pods as it is when Prometheus does not answer, or has nothing to say', () => {
    const { spec } = plain.find(({ kind }) => kind === 'ScaledObject') as unknown as {
      spec: { fallback?: unknown; triggers: { metadata: Record<string, string> }[] }
    }
    // KEDA would set the number of a `fallback`, whatever the present one is.
    expect(spec.fallback).toBeUndefined()
    expect(spec.triggers.map(({ metadata }) => metadata['ignoreNullValues'])).toEqual(['false'])
  })

  it('would not pass with a wrong type or a misspelt field', async () => {
    const wrong = structuredClone(plain.find(({ kind }) => kind === 'StatefulSet')) as Manifest
    const spec = wrong.spec as Record<string, unknown>
    spec['replicas'] = 'two'
    expect(await problemsOf(wrong)).toHaveLength(1)
    spec['replicas'] = 2
    spec['podManagmentPolicy'] = 'Parallel'
    expect(unknownFields([wrong])).toEqual([expect.stringContaining('podManagmentPolicy')])
  })
})

describe('the chart, as it is written', () => {
  const template = readFileSync(join(chart, 'templates/model-pull.yaml'), 'utf8')

  it('names the job that fetches a model by its whole pod, which cannot be changed', () => {
    const job = template.slice(template.indexOf('kind: Job'))
    expect(/^ {2}name: (.*)$/m.exec(job)?.[1]).toBe(
      '{{ $name | trunc 48 | trimSuffix "-" }}-pull-{{ $pod | sha256sum | trunc 8 }}',
    )
    expect(job.slice(job.indexOf('  template:'))).toBe(
      '  template: {{- $pod | nindent 4 }}\n{{- end }}\n{{- end }}\n',
    )
  })
})

describe.skipIf(!hasHelm)('the chart, rendered by helm', () => {
  const render = (...flags: string[]) =>
    execFileSync(helm, ['template', 'r', chart, '-n', 'speech', '--kube-version', '1.30.0', ...flags], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })

  it.each([
    ['its defaults', []],
    ['everything', ['-f', join(repositoryRoot, 'test/kubernetes/all-values.yaml')]],
  ])('is valid with %s', async (_, flags) => {
    const manifests = manifestsIn(render(...flags))
    await expectValid(manifests)
    expectConnected(manifests)
  })

  it.each([
    ['image', 'image.cluster.tag=2'],
    ['resources', 'modelDefaults.resources.limits.memory=8Gi'],
    ['model', 'models[0].model.pull.revision=other'],
  ])('makes another job for another %s', (_, setting) => {
    const nameOf = (...flags: string[]) =>
      manifestsIn(render('-f', join(repositoryRoot, 'test/kubernetes/all-values.yaml'), ...flags)).find(
        ({ kind }) => kind === 'Job',
      )?.metadata.name
    expect(nameOf()).toMatch(/^r-asr-cluster-small-pull-[0-9a-f]{8}$/)
    expect(nameOf('--set', setting)).not.toBe(nameOf())
  })

  it('carries the dashboard as it is', () => {
    const manifests = manifestsIn(render('--set', 'dashboard.enabled=true'))
    const { data } = manifests.find(({ kind }) => kind === 'ConfigMap') as unknown as {
      data: Record<string, string>
    }
    const file = join(repositoryRoot, 'config/grafana/asr-cluster.json')
    expect(data['asr-cluster.json']).toBe(readFileSync(file, 'utf8').trim())
  })

  it('makes exactly the plain manifests', () => {
    const to = mkdtempSync(join(tmpdir(), 'asr-test-manifests-'))
    try {
      execFileSync(process.execPath, [join(dir, 'generate.mjs'), '--to', to], {
        env: { ...process.env, HELM: helm },
      })
      for (const name of readdirSync(to)) {
        expect(readFileSync(join(dir, name), 'utf8')).toBe(readFileSync(join(to, name), 'utf8'))
      }
      expect(readdirSync(to).sort()).toEqual([...files].sort())
    } finally {
      rmSync(to, { recursive: true })
    }
  })
})
