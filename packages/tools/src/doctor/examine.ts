import { styleText } from 'node:util'
import type { Facts } from './facts.js'
import type { Finding, FindingStatus } from './finding.js'
import { judgeCluster } from './judge-cluster.js'
import { judgeMachine } from './judge-machine.js'
import { judgeRuntime } from './judge-runtime.js'

export interface Diagnosis {
  /** Nothing that is needed is missing. */
  ok: boolean
  findings: Finding[]
}

/** Judges what was read. Pure. */
export function examine({ machine, runtime, cluster }: Facts): Diagnosis {
  const findings = [
    ...judgeMachine(machine, cluster),
    ...judgeRuntime(runtime, machine),
    ...judgeCluster(cluster),
  ]
  return { ok: findings.every(({ status }) => status !== 'missing'), findings }
}

const marks: Readonly<Record<FindingStatus, [string, 'green' | 'yellow' | 'red']>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  missing: ['✗', 'red'],
}

/** A line per finding, what to do below each that is not well, and the sum. */
export function formatDiagnosis({ findings }: Diagnosis, hasColours: boolean): string[] {
  const lines = findings.flatMap(({ name, status, detail, fix }) => {
    const [mark, colour] = marks[status]
    const shown = hasColours ? styleText(colour, mark, { validateStream: false }) : mark
    return [`${shown} ${name}: ${detail}`, ...(fix === null ? [] : [`    ${fix}`])]
  })
  const count = (wanted: FindingStatus): number => findings.filter(({ status }) => status === wanted).length
  const sum = `${count('ok')} well, ${count('warning')} could be better, ${count('missing')} missing`
  return [...lines, '', sum]
}
