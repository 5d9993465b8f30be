import type { Argv } from 'yargs'
import type { BalancerAddress } from '../control/control-client.js'
import { NotRunningError } from '../control/find-cluster.js'
import { findOwnCluster, withPort } from './client-options.js'
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

/** Where requests go: `--url`, else this machine's cluster. Throws ToolUsageError, and as findOwnCluster does. */
export async function clusterUrl({ url, port }: UrlArgs, context: CliContext): Promise<string> {
  const { parseBaseUrl, pinCertificate } = await import('@asr-cluster/tools/client')
  if (url !== undefined) return parseBaseUrl(url)
  try {
    const found = await findOwnCluster({ port }, context.env)
    const balancer = await balancerOf(found.socketPath)
    if (balancer.certificate === null) return balancer.url ?? localUrl('http', found.port)
    const secured = balancer.url ?? localUrl('https', found.port)
    pinCertificate(secured, balancer.certificate)
    return secured
  } catch (error) {
    // A balancer that runs alone, as in a container, has no supervisor that could be found.
    if (error instanceof NotRunningError && port !== undefined) return localUrl('http', port)
    throw error
  }
}

async function balancerOf(socketPath: string): Promise<BalancerAddress> {
  const { ControlClient } = await import('../control/control-client.js')
  const client = new ControlClient(socketPath)
  try {
    return await client.balancer()
  } finally {
    await client.close()
  }
}

function localUrl(scheme: 'http' | 'https', port: number): string {
  return `${scheme}://127.0.0.1:${port}`
}

/** Key for a server that asks for one. */
export function apiKey(env: NodeJS.ProcessEnv): string | undefined {
  return env['ASR_CLUSTER_API_KEY'] || undefined
}
