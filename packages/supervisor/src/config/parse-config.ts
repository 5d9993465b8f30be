import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import type { z } from 'zod'
import { lastPort, placePort } from '../instance/place-port.js'
import { ConfigError } from './config-error.js'
import type { ConfigProblem } from './config-error.js'
import { clusterConfigSchema } from './schema.js'
import type { ClusterConfig } from './schema.js'

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
    throw new ConfigError(
      file,
      document.errors.map((error) => at(error.pos[0], error.message)),
    )
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

interface Finding {
  path: Path
  message: string
  /** The key is wrong, not its value. */
  atKey?: boolean
}

function describeIssue(issue: z.core.$ZodIssue): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      return { path, message: `unknown key \`${formatPath(path)}\``, atKey: true }
    })
  }
  return [{ path: issue.path, message: `\`${formatPath(issue.path)}\`: ${describeValue(issue)}` }]
}

function describeValue(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().map((error) => lowerFirst(error.message))
    return [...new Set(inner)].join(', or ')
  }
  if (issue.code === 'invalid_format' && issue.format === 'regex' && issue.pattern) {
    if (issue.pattern.includes('ms|s|m|h')) return 'expected a duration such as 500ms, 5s, 2m or 1h'
    if (issue.pattern.includes('KiB')) return 'expected a size such as 512KB, 100MB or 1GiB'
    if (issue.pattern.endsWith('%$/')) return 'expected a percentage such as 20%'
  }
  if (issue.code === 'invalid_type' && issue.expected === 'string' && typeof issue.input === 'number') {
    return 'expected text with a unit or in quotes, such as 5s or 100MB'
  }
  return lowerFirst(issue.message.replace(/^Invalid (input|option): /, ''))
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

export function formatPath(path: Path): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('')
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
