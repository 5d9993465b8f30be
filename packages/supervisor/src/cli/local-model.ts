import { quantizations, type Quantization } from '@asr-cluster/protocol'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { LiveLine } from '@asr-cluster/tools/common'
import type { UrlArgs } from './cluster-url.js'
import type { CliContext } from './context.js'
import { UsageError } from './exit-codes.js'

export interface LocalArgs extends UrlArgs {
  local: boolean
  model: string | undefined
  quantization: 'auto' | Quantization
}

/** Flags of the tools that use a running cluster, or a model in their own process. */
export function withLocal<T extends UrlArgs>(argv: Argv<T>): Argv<T & LocalArgs> {
  return argv
    .option('local', { type: 'boolean', default: false, describe: 'Load the model in this process' })
    .option('model', {
      type: 'string',
      describe: 'With --local: folder or pulled model; else the name of one of the cluster’s models',
    })
    .option('quantization', {
      choices: ['auto', ...quantizations] as const,
      default: 'auto' as const,
      describe: 'With --local: precision of the weights',
    }) as unknown as Argv<T & LocalArgs>
}

/** Throws UsageError for flags that contradict each other. */
export function checkLocal({ local, url, port }: ArgumentsCamelCase<LocalArgs>): void {
  if (local && (url !== undefined || port !== undefined)) {
    throw new UsageError('--local needs no cluster: leave out --url and --port')
  }
}

/** What a model in this process is opened with. Throws ConfigError when there is no such model. */
export async function localEngineOptions(
  { model, quantization }: LocalArgs,
  { cwd, env }: CliContext,
  liveLine: LiveLine,
): Promise<{
  modelDir: string
  quantization: LocalArgs['quantization']
  cacheDir: string
  onProgress: (text: string) => void
}> {
  const [{ loadModelDir }, { defaultCacheDir }] = await Promise.all([
    import('../config/load-config.js'),
    import('@asr-cluster/asr-instance'),
  ])
  return {
    modelDir: loadModelDir({ cwd, env }, model),
    quantization,
    cacheDir: defaultCacheDir(env),
    onProgress: (text) => liveLine.show(text),
  }
}
