import { formatBytes } from '../common/format.js'
import type { ClusterFacts, FolderFact, PortFact } from './facts.js'
import { missing, ok, warning, type Finding } from './finding.js'

const leastBytes = 1e9
/** A 1.7B model: 4 GB as published, and about as much again compiled. */
const goodBytes = 10e9

/** The configuration, and what it needs of this machine. */
export function judgeCluster({ configProblems, model, ports, folders }: ClusterFacts): Finding[] {
  return [
    ...(configProblems.length === 0
      ? [ok('configuration', 'valid')]
      : configProblems.map((problem) => missing('configuration', problem, 'See docs/configuration.md.'))),
    ...(model === null ? [] : [judgeModel(model)]),
    ...judgePorts(ports),
    ...folders.map(judgeFolder),
  ]
}

function judgeModel({ dir, weightBytes }: NonNullable<ClusterFacts['model']>): Finding {
  if (weightBytes > 0) return ok('model', `${dir} (${formatBytes(weightBytes)} of weights)`)
  return missing(
    'model',
    `${dir} has no .safetensors file`,
    'Name the folder of a Qwen3-ASR checkpoint, or fetch one with `asr-cluster pull`.',
  )
}

function judgePorts(ports: readonly PortFact[]): Finding[] {
  const taken = ports.filter(({ holder }) => holder !== null)
  const foreign = taken.filter(({ isOurs }) => !isOurs)
  const findings = foreign.map(({ port, purpose, holder }) =>
    purpose === 'balancer'
      ? missing(
          'ports',
          `${port} is held by ${holder}`,
          'Stop it, or choose another port: `up --port P`, or balancer.port.',
        )
      : // The supervisor moves an instance to the next free port.
        warning(
          'ports',
          `${port} is held by ${holder}: an instance will take another`,
          'Or set groups[].basePort.',
        ),
  )
  if (findings.length > 0) return findings
  const list = ports.map(({ port }) => port).join(', ')
  if (ports.length === 0) return []
  return [ok('ports', taken.length > 0 ? `${list} (used by the cluster that runs)` : `${list} free`)]
}

function judgeFolder({ purpose, path, freeBytes, trouble }: FolderFact): Finding {
  const name = `disk, ${purpose}`
  if (trouble !== null)
    return missing(
      name,
      `${path}: ${trouble}`,
      'Create it, or give the user that runs the cluster the right to.',
    )
  const detail = `${path}: ${formatBytes(freeBytes)} free`
  if (freeBytes < leastBytes) return missing(name, detail, 'Free some space.')
  if (freeBytes < goodBytes)
    return warning(name, detail, `A 1.7B model needs about ${formatBytes(goodBytes)} with its compiled form.`)
  return ok(name, detail)
}
