import type { ControlClient } from '../control/control-client.js'
import { NotRunningError } from '../control/find-cluster.js'
import { connectToCluster } from './client-options.js'
import type { UrlArgs } from './cluster-url.js'
import type { CliContext } from './context.js'

/** Null where the balancer is asked for by its address: it may run alone, or on another machine. */
export async function supervisorOf(args: UrlArgs, context: CliContext): Promise<ControlClient | null> {
  if (args.url !== undefined) return null
  try {
    return await connectToCluster(args, context)
  } catch (error) {
    if (error instanceof NotRunningError && args.port !== undefined) return null
    throw error
  }
}
