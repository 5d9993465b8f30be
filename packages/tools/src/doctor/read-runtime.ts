import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { RuntimeFacts } from './facts.js'

const run = promisify(execFile)
const probeTimeoutMs = 30_000

/** Loads onnxruntime, as an instance would. */
export async function readRuntime(cwd: string): Promise<RuntimeFacts> {
  const folder = packageFolder()
  const installScript =
    folder === null
      ? 'node_modules/onnxruntime-node/script/install.js'
      : shortPath(cwd, join(folder, 'script/install.js'))
  const version = folder === null ? null : packageVersion(folder)
  try {
    const { listSupportedBackends } = await import('onnxruntime-node')
    const cuda = await readCuda(folder)
    const bundled = listSupportedBackends().filter(
      ({ name, bundled: isBundled }) => isBundled && name !== 'cuda',
    )
    const providers = [...bundled.map(({ name }) => name), ...(cuda.isInstalled ? ['cuda'] : [])]
    const webGpuTrouble = await probeWebGpu()
    return { error: null, version, providers, cuda, webGpuTrouble, installScript }
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
    return {
      error: message,
      version,
      providers: [],
      cuda: { isInstalled: false, missingLibraries: [] },
      webGpuTrouble: message,
      installScript,
    }
  }
}

/** In a process of its own: drivers write to standard error, and some of them crash. */
async function probeWebGpu(): Promise<string | null> {
  const module = JSON.stringify(import.meta.resolve('@asr-cluster/asr-instance'))
  const program = `import { probeProvider } from ${module}
console.log(JSON.stringify(await probeProvider('webgpu')))`
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await run(process.execPath, args, { timeout: probeTimeoutMs }).catch(() => ({
    stdout: '"the driver ended the process that tried it"',
  }))
  return JSON.parse(stdout) as string | null
}

function packageFolder(): string | null {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')))
  } catch {
    return null
  }
}

function packageVersion(folder: string): string | null {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
  } catch {
    return null
  }
}

/** The provider is a library of its own, and needs CUDA's. */
async function readCuda(folder: string | null): Promise<RuntimeFacts['cuda']> {
  const library = join(
    folder ?? '',
    'bin/napi-v6',
    process.platform,
    process.arch,
    'libonnxruntime_providers_cuda.so',
  )
  if (folder === null || !existsSync(library)) return { isInstalled: false, missingLibraries: [] }
  const { stdout } = await run('ldd', [library]).catch(() => ({ stdout: '' }))
  return { isInstalled: true, missingLibraries: parseMissing(stdout) }
}

/** Names before `=> not found` in what `ldd` prints. */
export function parseMissing(ldd: string): string[] {
  return ldd.split('\n').flatMap((line) => {
    const name = /^\s*(\S+) => not found/.exec(line)?.[1]
    return name === undefined ? [] : [name]
  })
}

function shortPath(cwd: string, path: string): string {
  const fromHere = relative(cwd, path)
  return fromHere.startsWith('..') ? path : fromHere
}
