import { ControlClient } from '@asr-cluster/supervisor'
import type { ClusterStatus } from '@asr-cluster/protocol'

/**
 * What `asr-cluster status` shows, asked as it does, over the supervisor's socket: tests ask again and again, and a process
 * for each question would be most of what they do.
 */
export async function readStatus(socketPath: string): Promise<ClusterStatus> {
  const client = new ControlClient(socketPath)
  try {
    return await client.status()
  } finally {
    await client.close()
  }
}
