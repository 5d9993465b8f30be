import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from '../harness/index.js'

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  spec?: unknown
  [key: string]: unknown
}

type ModelClass = new (data: unknown) => { validate(): void }

/** Where the class of an API is, whose validator was compiled from the API's own schema. */
function moduleOf(apiVersion: string): string {
  if (apiVersion.startsWith('keda.sh/')) return `@kubernetes-models/keda/${apiVersion}`
  if (apiVersion.startsWith('monitoring.coreos.com/'))
    return `@kubernetes-models/prometheus-operator/${apiVersion}`
  return `kubernetes-models/${apiVersion}`
}

/** What the schema of its API says against a manifest; empty when nothing. */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const what = `${manifest.kind} ${manifest.metadata.name}`
  const models = (await import(moduleOf(manifest.apiVersion))) as Record<string, ModelClass | undefined>
  const Model = models[manifest.kind]
  if (!Model) return [`${what}: there is no ${manifest.kind} in ${manifest.apiVersion}`]
  try {
    new Model(manifest).validate()
    return []
  } catch (error) {
    return [`${what}: ${(error as Error).message}`]
  }
}

/**
 * Fields that the API does not know, which an API server would drop or refuse: found by the compiler, because the schemas
 * allow them but a literal may have none that its type lacks.
 */
export function unknownFields(manifests: readonly Manifest[]): string[] {
  const dir = join(repositoryRoot, 'node_modules/.cache', `asr-manifests-${process.pid}`)
  mkdirSync(dir, { recursive: true })
  try {
    const lines = manifests.map(
      (manifest, index) =>
        `import type { I${manifest.kind} as I${index} } from '${moduleOf(manifest.apiVersion)}'\n` +
        `export const value${index}: I${index} = ${JSON.stringify(manifest)}\n`,
    )
    writeFileSync(join(dir, 'manifests.mts'), lines.join(''))
    const compiler = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace('package.json', 'bin/tsc')
    const flags = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      '',
    ]
    execFileSync(process.execPath, [compiler, ...flags, 'manifests.mts'], { cwd: dir, encoding: 'utf8' })
    return []
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    if (stdout === undefined) throw error
    return stdout.split('\n').filter((line) => line.includes('error'))
  } finally {
    rmSync(dir, { recursive: true })
  }
}
