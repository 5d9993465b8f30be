import { ToolError } from '../common/tool-error.js'
import { createNotes, type Note } from './notes.js'
import type { FindIncluded } from './nginx-includes.js'
import type { TheirProgram } from './programs.js'
import { readNginx, type TheirBalancer } from './read-nginx.js'
import { readSupervisor } from './read-supervisor.js'

export interface MigrateOptions {
  supervisor: { text: string; file: string }
  nginx?: { text: string; file: string; find: FindIncluded } | undefined
  /** Start their servers as they are, even where our engine could run their model. */
  keepCommands: boolean
  /** Whether a path, relative to the program's folder, or a hub id, is a model that our engine can be given. */
  findModel: (model: string, directory: string | null) => string | null
}

export interface Migration {
  /** Our configuration, as it is written. */
  config: Record<string, unknown>
  unmapped: readonly Note[]
  /** What to look at before the first start. */
  hints: readonly string[]
}

const modelFlags = /^--?(?:model|model[-_]path|model[-_]dir|model[-_]name|checkpoint|m)(?:=(.*))?$/
const modelVariables = ['MODEL', 'MODEL_PATH', 'MODEL_DIR', 'ASR_MODEL', 'ASR_MODEL_PATH', 'MODEL_NAME']

/** Writes our configuration from supervisord's and nginx's. Throws ToolError with a `file:line`. */
export function migrate(options: MigrateOptions): Migration {
  const notes = createNotes()
  const { programs, settings } = readSupervisor(options.supervisor.text, options.supervisor.file, notes)
  if (programs.length === 0) {
    throw new ToolError('nothing_to_import', `${options.supervisor.file} has no program with a port`, {
      help:
        'A program is known by its --port (or --bind HOST:PORT, or PORT in its environment). Files that [include] ' +
        'names are not read: give the one that has the programs.',
    })
  }
  const ports = new Set(programs.flatMap(({ port }) => port ?? []))
  const balancer: TheirBalancer = options.nginx
    ? readNginx(options.nginx.text, options.nginx.file, options.nginx.find, ports, notes)
    : { settings: {}, weights: new Map(), slots: new Map() }
  for (const port of balancer.weights.keys()) {
    if (!ports.has(port))
      notes.hint(`nginx sends to port ${port}, and no program of ${options.supervisor.file} has it.`)
  }
  const groups = groupPrograms(programs, options)
  const config: Record<string, unknown> = {
    ...(Object.keys(balancer.settings).length > 0 ? { balancer: balancer.settings } : {}),
    groups: groups.map((members, index) =>
      groupOf(members, nameOf(members, index, groups), balancer, options),
    ),
    ...(Object.keys(settings).length > 0 ? { supervisor: settings } : {}),
  }
  for (const [first] of groups) if (first) explainCommand(first, options, notes)
  return { config, unmapped: notes.unmappedNotes, hints: notes.hints }
}

/** Programs that are the same but for their port and their GPU. */
function groupPrograms(programs: readonly TheirProgram[], options: MigrateOptions): TheirProgram[][] {
  const groups = new Map<string, TheirProgram[]>()
  for (const program of programs) {
    const key = JSON.stringify([
      commandOf(program),
      program.directory,
      envOf(program),
      modelOf(program, options),
    ])
    groups.set(key, [...(groups.get(key) ?? []), program])
  }
  return [...groups.values()]
}

function groupOf(
  members: readonly TheirProgram[],
  name: string,
  { weights: theirWeights, slots: theirSlots }: TheirBalancer,
  options: MigrateOptions,
): Record<string, unknown> {
  const [first] = members as [TheirProgram]
  const weights = members.map(({ port }) => theirWeights.get(port ?? 0) ?? 1)
  const gpus = gpusOf(members)
  const model = modelOf(first, options)
  const slots = theirSlots.get(first.port ?? 0)
  const env = envOf(first)
  if (model !== null) for (const key of Object.keys(env)) if (key.startsWith('PYTHON')) delete env[key]
  return {
    name,
    ...(model === null ? { command: commandOf(first) } : { model }),
    instances: members.length,
    basePort: first.port,
    ...(weights.every((weight) => weight === weights[0]) ? {} : { weights }),
    ...(gpus === null ? {} : { gpus }),
    ...(slots === undefined ? {} : { slots }),
    ...(Object.keys(env).length > 0 ? { env } : {}),
  }
}

function gpusOf(members: readonly TheirProgram[]): (string | number)[] | 'none' | null {
  const named = members.flatMap(({ environment }) => environment['CUDA_VISIBLE_DEVICES'] ?? [])
  if (named.length === 0) return null
  const devices = [...new Set(named.flatMap((text) => text.split(',').map((part) => part.trim())))]
  const usable = devices.filter((device) => device !== '' && device !== '-1')
  if (usable.length === 0) return 'none'
  return usable.map((device) => (/^\d+$/.test(device) ? Number(device) : device))
}

/** Their command with our placeholder where the port stood. The folder is entered by `env`, without a shell. */
function commandOf({ command, portAt, portVariable, directory }: TheirProgram): string[] {
  const withPort = command.map((argument, index) =>
    index === portAt?.index ? `${portAt.prefix}{port}` : argument,
  )
  const before = [
    ...(directory === null ? [] : [`--chdir=${directory}`]),
    ...(portVariable === null ? [] : [`${portVariable}={port}`]),
  ]
  return before.length === 0 ? withPort : ['env', ...before, ...withPort]
}

function envOf({ environment, portVariable }: TheirProgram): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(([key]) => key !== 'CUDA_VISIBLE_DEVICES' && key !== portVariable),
  )
}

function modelOf(program: TheirProgram, { keepCommands, findModel }: MigrateOptions): string | null {
  if (keepCommands) return null
  const named = namedModel(program)
  return named === null ? null : findModel(named, program.directory)
}

function namedModel({ command, environment }: TheirProgram): string | null {
  const moduleAt = moduleFlagOf(command)
  for (const [index, argument] of command.entries()) {
    const flag = modelFlags.exec(argument)
    if (flag && index !== moduleAt) return flag[1] ?? command[index + 1] ?? null
  }
  const variable = modelVariables.find((name) => name in environment)
  return variable === undefined ? null : (environment[variable] ?? null)
}

/** Where `-m` stands that names a module and no model, as in `python3 -u -m package`: among Python's own options. */
function moduleFlagOf(command: readonly string[]): number | null {
  const python = command.findIndex((argument) => /(^|\/)(python|pypy)[\d.]*$/.test(argument))
  if (python === -1) return null
  for (let index = python + 1; command[index]?.startsWith('-'); index++) {
    const option = command[index]
    if (option === '-m') return index
    // These two have their value behind them.
    if (option === '-W' || option === '-X') index++
  }
  return null
}

/** `asr-1`, `asr-2` → `asr`. */
function nameOf(members: readonly TheirProgram[], index: number, groups: readonly unknown[]): string {
  const [first = '', ...rest] = members.map(({ name }) => name.toLowerCase())
  let length = first.length
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length -= 1
  const common = first
    .slice(0, length)
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .replace(/[-0-9]+$/, '')
    .slice(0, 40)
  // A group may not be called as the balancer is, nor as an instance of another group.
  const name = common === '' || common === 'balancer' ? 'default' : common
  return groups.length > 1 && index > 0 ? `${name.slice(0, 32)}-group${index + 1}` : name
}

function explainCommand(
  program: TheirProgram,
  options: MigrateOptions,
  notes: ReturnType<typeof createNotes>,
): void {
  const model = modelOf(program, options)
  const command = program.command.join(' ').slice(0, 120)
  if (model !== null) {
    notes.hint(
      `\`${command}\` is replaced by our engine with the model ${model}; --keep-commands keeps their server.`,
    )
    return
  }
  const named = namedModel(program)
  if (named !== null && !options.keepCommands) {
    notes.hint(`${named} is no Qwen3-ASR folder that could be found, so their server is kept.`)
  }
  notes.hint(
    `\`${command}\` is kept as it is. It must answer GET /health with 2xx once it can work (healthPath), and ` +
      'takes one request at a time unless `slots` says more.',
  )
}
