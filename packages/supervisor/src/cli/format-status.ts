import type { ClusterStatus } from '@asr-cluster/protocol'
import { formatDuration, formatTable } from '@asr-cluster/tools/common'

/** The tables of `asr-cluster status`. */
export function formatStatus({ supervisor, balancer, operations, instances }: ClusterStatus): string[] {
  const header = [
    'INSTANCE',
    'STATE',
    'PORT',
    'PID',
    'GPU',
    'WEIGHT',
    'IN FLIGHT',
    'RESTARTS',
    'UPTIME',
    'LAST EXIT',
  ]
  const rows = instances.map((instance) => [
    instance.id,
    instance.state,
    String(instance.port || '-'),
    String(instance.pid ?? '-'),
    instance.gpu ?? '-',
    String(instance.weight),
    `${instance.inFlight}/${instance.slots ?? '?'}`,
    String(instance.restarts),
    instance.uptimeSeconds === null ? '-' : formatDuration(instance.uptimeSeconds),
    instance.lastExit === null ? '-' : firstLine(instance.lastExit.reason),
  ])
  return [
    `supervisor  pid ${supervisor.pid}, version ${supervisor.version}, up ${formatDuration(supervisor.uptimeSeconds)}`,
    `balancer    ${describeBalancer(balancer)}`,
    ...(operations ?? []).map(
      ({ name, state, seconds }) => `operation   ${name}: ${state} for ${formatDuration(seconds)}`,
    ),
    '',
    ...formatTable(header, rows),
    ...waits(instances),
    ...deathReports(instances),
  ]
}

function describeBalancer(balancer: ClusterStatus['balancer']): string {
  const pid = balancer.pid === null ? 'down' : `pid ${balancer.pid}`
  return `${pid}, port ${balancer.port}, ${balancer.policy}, ${balancer.inFlight} in flight, ${balancer.queueDepth} queued`
}

function waits(instances: ClusterStatus['instances']): string[] {
  const lines = instances.flatMap(({ id, waitingFor }) => (waitingFor ? [`${id}: ${waitingFor}`] : []))
  return lines.length > 0 ? ['', ...lines] : []
}

/** Why an instance is not there, in its own last words. */
function deathReports(instances: ClusterStatus['instances']): string[] {
  return instances
    .filter(({ state, lastExit }) => (state === 'failed' || state === 'backoff') && lastExit !== null)
    .flatMap(({ id, lastExit }) => [
      '',
      `${id}: ${lastExit?.reason}`,
      ...(lastExit?.stderr ?? []).map((l) => `  | ${l}`),
    ])
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] ?? ''
  return line.length > 60 ? `${line.slice(0, 59)}…` : line
}
