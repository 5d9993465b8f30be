import { bindListeningSocket } from '../balancer/listening-socket.js'
import type { ClusterConfig } from '../config/schema.js'
import { createGpuInventory } from '../gpu/gpu-inventory.js'
import { planInstances } from '../instance/plan-instances.js'
import type { Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
import { usableCores } from '../world/machine.js'

/**
 * Whether the cluster that is to take another one's place could start on this machine, as far as can be told while that
 * one runs: its address must be one of this machine, and its GPUs must be there. Throws MachineMismatchError, or what the
 * system says.
 */
export async function checkMachine(
  config: ClusterConfig,
  { bindsAddress, spawner, clock }: { bindsAddress: boolean; spawner: Spawner; clock: Clock },
): Promise<void> {
  const { host, port } = config.balancer
  // On another port, because the one that is meant is taken.
  if (bindsAddress) bindListeningSocket(host, 0).close()
  const inventory = createGpuInventory({ spawner, clock, onTrouble: () => {} })
  try {
    const gpus = await inventory.first()
    const machine = { cores: usableCores(), gpus }
    planInstances({ config, counts: new Map(), machine, clientsPort: port, existing: [] })
  } finally {
    inventory.close()
  }
}
