import type { Argv } from 'yargs'
import { findCluster, NotRunningError } from '../control/find-cluster.js'
import { stateDir } from '../control/state-dir.js'
import { defaultPort, withPort } from './client-options.js'
import type { PortArgs } from './client-options.js'
import type { CliContext } from './context.js'

export interface UrlArgs extends PortArgs {
  url: string | undefined
}

export function withUrl<T>(argv: Argv<T>): Argv<T & UrlArgs> {
  return withPort(argv).option('url', {
    type: 'string',
    describe: 'Base URL of the cluster, or of any server with the OpenAI transcription API',
  }) as unknown as Argv<T & UrlArgs>
}

/** Where requests go: `--url`, else this machine's cluster. Throws NotRunningError, ToolUsageError. */
export async function clusterUrl({ url, port }: UrlArgs, context: CliContext): Promise<string> {
  const { parseBaseUrl } = await import('@asr-cluster/tools/client')
  if (url !== undefined) return parseBaseUrl(url)
  try {
    return localUrl(await findCluster(stateDir(context.env), port, defaultPort))
  } catch (error) {
    // A balancer that runs alone, as in a container, has no supervisor that could be found.
    if (error instanceof NotRunningError && port !== undefined) return localUrl(port)
    throw error
  }
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`
}

/** Key for a server that asks for one. */
export function apiKey(env: NodeJS.ProcessEnv): string | undefined {
  return env['ASR_CLUSTER_API_KEY'] || undefined
}
