import { parseEnvironment, splitCommand, type IniSection } from './parse-supervisor.js'
import type { Notes } from './notes.js'
import { boundedInteger } from './units.js'

/** One process that supervisord runs. */
export interface TheirProgram {
  name: string
  line: number
  command: string[]
  /** Where the port stands in the command; null when it comes by the environment or not at all. */
  portAt: { index: number; prefix: string } | null
  portVariable: string | null
  port: number | null
  directory: string | null
  environment: Record<string, string>
  logfile: string | null
  section: IniSection
}

const portFlag = /^(--?(?:port|p|http-port|server-port|listen|bind|b))(=.*)?$/
const portInText = /(^|[^\d.]|:)(\d{2,5})$/
const portVariables = ['PORT', 'ASR_PORT', 'FLASK_RUN_PORT', 'SERVER_PORT', 'HTTP_PORT']

/** The processes of every `[program:…]`, one for each of its `numprocs`. */
export function programsOf(sections: readonly IniSection[], notes: Notes): TheirProgram[] {
  const inherited = sections.find(({ name }) => name === 'supervisord')?.entries.get('environment')?.value
  const environment = parseEnvironment(expand(inherited ?? '', {}))
  return sections.flatMap((section) => {
    if (!section.name.startsWith('program:')) return []
    const name = section.name.slice('program:'.length)
    if (!section.entries.has('command')) {
      notes.unmapped('supervisor', section.line, `[${section.name}]`, 'it has no command')
      return []
    }
    const whole = (key: string, unless: number, min: number, max: number): number => {
      const entry = section.entries.get(key)
      const { value, problem } = boundedInteger(entry?.value ?? String(unless), min, max)
      if (entry && problem !== null) {
        notes.unmapped('supervisor', entry.line, `[${section.name}] ${key}=${entry.value}`, problem)
      }
      return value ?? unless
    }
    const count = whole('numprocs', 1, 1, mostInstances)
    const start = whole('numprocs_start', 0, 0, 65_535)
    return Array.from({ length: count }, (_, index) =>
      oneProgram(section, environment, { program_name: name, process_num: start + index, numprocs: count }),
    )
  })
}

function oneProgram(
  section: IniSection,
  inherited: Record<string, string>,
  values: Record<(typeof expandedNames)[number], string | number>,
): TheirProgram {
  const value = (key: string): string => expand(section.entries.get(key)?.value ?? '', values)
  const command = splitCommand(value('command'))
  const environment = { ...inherited, ...parseEnvironment(value('environment')) }
  const { program_name: name, process_num: number } = values
  const found = findPort(command)
  const portVariable = found ? null : (portVariables.find((key) => key in environment) ?? null)
  return {
    name: section.entries.has('numprocs') ? `${name}-${number}` : String(name),
    line: section.line,
    command,
    portAt: found && { index: found.index, prefix: found.prefix },
    portVariable,
    port: found?.port ?? (portVariable === null ? null : Number(environment[portVariable])),
    directory: value('directory') || null,
    environment,
    logfile: value('stdout_logfile') || null,
    section,
  }
}

/** Of one group. */
const mostInstances = 64

const expandedNames = ['program_name', 'process_num', 'numprocs'] as const
const expression = /%%|%\((\w+)\)(0\d+)?[sd]/g

/** `%(program_name)s`, `%(process_num)02d`, `%%`; what is not known here, as `%(ENV_X)s`, stays as it is. */
function expand(text: string, values: Record<string, string | number>): string {
  return text.replaceAll(expression, (whole, key?: string, width?: string) => {
    if (key === undefined) return '%'
    const found = values[key]
    return found === undefined ? whole : String(found).padStart(Number(width ?? 0), '0')
  })
}

/** What `expand` leaves as it is. */
export function unexpanded(text: string): string[] {
  const known: readonly string[] = expandedNames
  return [...text.matchAll(expression)].flatMap(([whole, key]) =>
    key === undefined || known.includes(key) ? [] : [whole],
  )
}

/** The port that a command listens on: after `--port`, in `--bind 127.0.0.1:8001`, or in `--port=8001`. */
function findPort(command: readonly string[]): { index: number; prefix: string; port: number } | null {
  for (const [index, argument] of command.entries()) {
    const flag = portFlag.exec(argument)
    if (!flag) continue
    const at = flag[2] === undefined ? index + 1 : index
    const text = command[at] ?? ''
    const match = portInText.exec(text)
    if (match) {
      const digits = match[2] as string
      return { index: at, prefix: text.slice(0, -digits.length), port: Number(digits) }
    }
  }
  return null
}
