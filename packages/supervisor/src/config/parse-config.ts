import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import { lastPort, placePort } from '../instance/place-port.js'
import { ConfigError } from './config-error.js'
import type { ConfigProblem } from './config-error.js'
import { describeIssue } from './describe-issue.js'
import type { Finding } from './describe-issue.js'
import { clusterConfigSchema } from './schema.js'
import type { ClusterConfig } from './schema.js'
import { describeYamlError } from './yaml-problem.js'

type Path = readonly PropertyKey[]

/** Turns the text of a configuration file into a configuration. Throws ConfigError with every problem found. */
export function parseConfig(text: string, file: string): ClusterConfig {
  const { value, locate } = readText(text, file)
  return judge(value, file, locate, crossChecks)
}

/** One section alone, for what needs no other: mistakes elsewhere do not matter then. Throws ConfigError. */
export function parseSection<Key extends keyof ClusterConfig>(
  text: string,
  file: string,
  section: Key,
): ClusterConfig[Key] {
  const { value, locate } = readText(text, file)
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  const alone =
    isMapping && Object.hasOwn(value, section) ? { [section]: (value as Record<Key, unknown>)[section] } : {}
  return judge(isMapping ? alone : value, file, locate)[section]
}

function judge(
  value: unknown,
  file: string,
  locate: (finding: Finding) => ConfigProblem,
  check: (config: ClusterConfig) => Finding[] = () => [],
): ClusterConfig {
  const parsed = clusterConfigSchema.safeParse(value, { reportInput: true })
  const findings = parsed.success ? check(parsed.data) : parsed.error.issues.flatMap(describeIssue)
  if (findings.length > 0) throw new ConfigError(file, findings.map(locate))
  return parsed.data as ClusterConfig
}

/** What a file holds, and how to say where in it something is wrong. Throws ConfigError for what is no YAML. */
function readText(
  text: string,
  file: string,
): { value: unknown; locate: (finding: Finding) => ConfigProblem } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const at = (offset: number, message: string): ConfigProblem => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col, message }
  }
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => at(error.pos[0], describeYamlError(error, text)))
    // What follows in a line is confusion about the first one.
    const isFirst = ({ line }: ConfigProblem, index: number): boolean =>
      problems.findIndex((other) => other.line === line) === index
    throw new ConfigError(file, problems.filter(isFirst))
  }
  const locate = ({ path, message, atKey }: Finding): ConfigProblem => {
    const offset = offsetOf(document, path, atKey ?? false)
    return offset === null ? { line: null, column: null, message } : at(offset, message)
  }
  return { value: valueOf(document, file) ?? {}, locate }
}

/** An alias without its anchor, or so many of them that they would fill the memory, is found only here. */
function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw new ConfigError(file, [{ line: null, column: null, message: (error as Error).message }])
  }
}

function crossChecks(config: ClusterConfig): Finding[] {
  const findings: Finding[] = nameClashes(config)
  for (const index of groupsWithoutPorts(config)) {
    findings.push({ path: ['groups', index, 'basePort'], message: 'the last instance would have no port' })
  }
  const { backoff } = config.supervisor
  if (backoff.base > backoff.cap) {
    findings.push({ path: ['supervisor', 'backoff', 'base'], message: '`base` is longer than `cap`' })
  }
  if (config.autoscale.min > config.autoscale.max) {
    findings.push({ path: ['autoscale', 'min'], message: '`min` is more than `max`' })
  }
  return findings
}

/** Indices of the groups whose instances, one with `auto`, would need a port beyond the last one. */
export function groupsWithoutPorts({ balancer, groups }: ClusterConfig): number[] {
  const taken = new Set([balancer.port])
  return groups.flatMap(({ basePort, instances }, group) => {
    const ports = Array.from({ length: instances === 'auto' ? 1 : instances }, (_, index) => {
      const port = placePort(basePort, index, taken)
      taken.add(port)
      return port
    })
    return ports.some((port) => port > lastPort) ? [group] : []
  })
}

/** A command such as `restart NAME` must mean one thing only. */
function nameClashes({ groups }: ClusterConfig): Finding[] {
  const names = groups.map(({ name }) => name)
  return names.flatMap((name, index) => {
    const [, owner] = /^(.+)-(?:\d+|next)$/.exec(name) ?? []
    const message = names.slice(0, index).includes(name)
      ? `a second group is called \`${name}\``
      : name === 'balancer'
        ? '`balancer` is the balancer; call the group otherwise'
        : owner !== undefined && names.includes(owner)
          ? `\`${name}\` may be an instance of the group \`${owner}\` too; call the group otherwise`
          : null
    return message === null ? [] : [{ path: ['groups', index, 'name'], message }]
  })
}

/** Where a value, or its key, begins; for one that is left out, where the nearest thing around it begins. */
function offsetOf(document: Document.Parsed, path: Path, atKey: boolean): number | null {
  const key = path.at(-1)
  if (key === undefined) return 0
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key)
    const node = pair && (atKey || isCollection(pair.value) ? pair.key : (pair.value ?? pair.key))
    if (isNode(node) && node.range) return node.range[0]
  } else if (isCollection(parent)) {
    const node: unknown = parent.get(key, true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return offsetOf(document, path.slice(0, -1), true)
}

/** Line and column of a value in a text that `parseConfig` has read; null for what it does not mention. */
export function placeOf(text: string, path: Path): { line: number | null; column: number | null } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const offset = text === '' || !document.hasIn(path) ? null : offsetOf(document, path, false)
  if (offset === null) return { line: null, column: null }
  const { line, col } = lines.linePos(offset)
  return { line, column: col }
}
