import type { ClusterStatus } from '@asr-cluster/protocol'
import { formatDuration } from '../common/format.js'
import { check, CheckFailure, expectThat, type CheckResult } from './check.js'
import { get, parseJson } from './http.js'

export type IsAlive = (pid: number) => boolean

/** The supervisor, the balancer and each instance: is the process there, and does its port answer as itself? */
export async function* checkProcesses(status: ClusterStatus, isAlive: IsAlive): AsyncGenerator<CheckResult> {
  const { supervisor, balancer, instances } = status
  yield check('supervisor', () => {
    expectThat(isAlive(supervisor.pid), `its process ${supervisor.pid} is gone`)
    return `pid ${supervisor.pid}, version ${supervisor.version}, up ${formatDuration(supervisor.uptimeSeconds)}`
  })
  yield check('balancer', () => {
    expectThat(balancer.pid !== null && isAlive(balancer.pid), 'it has no process')
    return `pid ${balancer.pid}, port ${balancer.port}, ${balancer.policy}`
  })
  yield check('instances', () => {
    expectThat(instances.length > 0, 'there are none: `asr-cluster scale 2`')
    return `${instances.length} wanted`
  })
  for (const instance of instances) yield check(instance.id, () => checkInstance(instance, isAlive))
}

async function checkInstance(
  instance: ClusterStatus['instances'][number],
  isAlive: IsAlive,
): Promise<string> {
  const { id, pid, port, state, lastExit, slots, restarts } = instance
  const reason = lastExit === null ? '' : `: ${lastExit.reason}`
  expectThat(state === 'ready', `is ${state}${reason}; see \`asr-cluster logs ${id}\``)
  expectThat(pid !== null && isAlive(pid), `its process ${pid} is gone`)
  const answer = await get({ baseUrl: `http://127.0.0.1:${port}`, headers: {} }, '/health')
  const name = (parseJson(answer.text) as { instance?: unknown } | null)?.instance
  // A server that is not ours may have no such route; that it answers is enough.
  if (name !== undefined && name !== id)
    throw new CheckFailure(`port ${port} answers as ${JSON.stringify(name)}`)
  return `ready, pid ${pid}, port ${port}, ${slots ?? '?'} slots, ${restarts} restart${restarts === 1 ? '' : 's'}`
}
