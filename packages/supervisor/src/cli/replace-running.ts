import { isSocketAlive } from '../control/find-cluster.js'
import { controlSocketPath } from '../control/state-dir.js'
import { waitForEnd } from '../process/wait-for-end.js'
import { runOperation } from './client-options.js'

const lastMomentsMs = 10_000

/**
 * Drains the cluster that runs on the port, whatever version it is of, and resolves once it is gone; at once if there is
 * none. Node cannot hand a listening socket to a program that it did not start, so that this one has to end first; a
 * socket that systemd holds stays open meanwhile (docs/operations.md). Throws if it does not end.
 */
export async function replaceRunning(
  stateDir: string,
  port: number,
  keepsSocket: boolean,
  say: (line: string) => void,
): Promise<void> {
  const path = controlSocketPath(stateDir, port)
  if (port === 0 || !(await isSocketAlive(path))) return
  // Loaded when needed, as in client-options.ts.
  const { ControlClient } = await import('../control/control-client.js')
  const client = new ControlClient(path)
  try {
    const { supervisor } = await client.status()
    const meanwhile = keepsSocket
      ? 'clients wait in the socket that was handed to us'
      : 'clients are refused from then until this one listens'
    say(`draining the cluster that runs on port ${port} (pid ${supervisor.pid}); ${meanwhile}`)
    const outcome = await runOperation(client, 'down', {}, say)
    if (!outcome.ok) throw new Error(`the running cluster could not be stopped: ${outcome.message}`)
    if (!(await waitForEnd(supervisor.pid, lastMomentsMs))) {
      throw new Error(`the running supervisor (pid ${supervisor.pid}) has drained but does not end`)
    }
  } finally {
    await client.close()
  }
}
