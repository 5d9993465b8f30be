import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CertificateError, isLoopback, parseApiKeysFile, readCertificate } from '@asr-cluster/protocol'
import { findPulledModel, isHubId } from '@asr-cluster/tools/store'
import { packageRoot } from '../package-root.js'
import { ConfigError } from './config-error.js'
import { formatPath } from './describe-issue.js'
import { groupsWithoutPorts, parseConfig, parseSection, placeOf } from './parse-config.js'
import type { ClusterConfig, GroupConfig } from './schema.js'

/** Folder that holds `packages/` and `models/`: the repository, or wherever it is installed. */
export const installationRoot = resolve(packageRoot, '../..')

const defaultFiles = ['asr-cluster.yaml', 'config/asr-cluster.yaml']

/** Values of the command line, which win over the file. */
export interface ConfigOverrides {
  /** Name of the group that the others are for; without it the first one. If there is none of that name they do not count. */
  group?: string | undefined
  model?: string | undefined
  instances?: number | undefined
  port?: number | undefined
  basePort?: number | undefined
}

export interface LoadedConfig {
  config: ClusterConfig
  /** Absolute path; null when only defaults are in use. */
  file: string | null
}

export interface LoadOptions {
  /** As given with `-c`; without it the usual places are looked at. Null for the defaults, whatever lies there. */
  file?: string | null | undefined
  cwd: string
  overrides?: ConfigOverrides
  /** Allow a balancer that is reachable from other machines. */
  insecure?: boolean
  /** Says where pulled models are; the process's own unless told. */
  env?: NodeJS.ProcessEnv
}

/**
 * Reads, checks and completes the configuration: every default is filled in, every path absolute.
 * Throws ConfigError.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { file, ...place } = openConfig(options)
  const overrides = options.overrides ?? {}
  const config = parseConfig(place.text, place.label)
  const withFlags = applyOverrides(config, overrides)
  checkPorts(withFlags, overrides)
  const folder = file === null ? options.cwd : dirname(file)
  const auth = readKeys(withFlags.auth, folder, place)
  const { cache } = withFlags
  return {
    config: {
      ...withFlags,
      balancer: resolveTls(
        checkHost(withFlags.balancer, place, options.insecure === true || auth.apiKeys.length > 0),
        folder,
        place,
      ),
      auth,
      eval: resolveManifest(withFlags.eval, place),
      groups: withFlags.groups.map((group, index) =>
        group.command
          ? group
          : { ...group, ...resolveModel(group, place, wrongModel(config, withFlags, index, place)) },
      ),
      cache: cache.dir === undefined ? cache : { ...cache, dir: resolve(folder, cache.dir) },
      supervisor: {
        ...withFlags.supervisor,
        logs: { ...withFlags.supervisor.logs, dir: resolve(options.cwd, withFlags.supervisor.logs.dir) },
      },
    },
    file,
  }
}

/** Where a cluster of this configuration has its logs, whatever else may be wrong with it. Throws ConfigError. */
export function loadLogsDir(options: LoadOptions): string {
  const { text, label } = openConfig(options)
  return resolve(options.cwd, parseSection(text, label, 'supervisor').logs.dir)
}

/**
 * Folder of a model, by its path or the id that it was pulled under; without one that of the first group which our engine
 * runs, whatever else may be wrong with the configuration. Throws ConfigError.
 */
export function loadModelDir(options: LoadOptions, model?: string): string {
  if (model !== undefined) {
    const place = { ...placeFor(options, fileOf(options)), text: '' }
    return resolveModel({ model, aliases: [] }, place, (message) => wrongFlag('--model', message)).model
  }
  const place = openConfig(options)
  const groups = parseSection(place.text, place.label, 'groups')
  const index = groups.findIndex(({ command }) => command === undefined)
  const group = groups[index]
  if (!group) throw wrongAt(place, ['groups'], 'every group has a command of its own; name a --model')
  const path = ['groups', index, 'model']
  return resolveModel(group, place, (message) => wrongAt(place, path, message)).model
}

/** The file that is meant; null for the defaults. */
function fileOf({ file, cwd }: LoadOptions): string | null {
  const wanted = file === undefined ? findConfig(cwd) : file
  return wanted === null ? null : resolve(cwd, wanted)
}

function placeFor(options: LoadOptions, file: string | null): Omit<ConfigPlace, 'text'> {
  return {
    folders: [...(file === null ? [] : [dirname(file)]), options.cwd, installationRoot],
    env: options.env ?? process.env,
    label: options.file ?? file ?? '(defaults)',
  }
}

function openConfig(options: LoadOptions): ConfigPlace & { file: string | null } {
  const file = fileOf(options)
  const place = placeFor(options, file)
  return { ...place, file, text: file === null ? '' : readConfig(file, place.label) }
}

export function findConfig(cwd: string): string | null {
  const found = defaultFiles.map((name) => resolve(cwd, name)).find((path) => existsSync(path))
  return found ?? null
}

function readConfig(file: string, label: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`
    throw new ConfigError(label, [{ line: null, column: null, message }])
  }
}

function applyOverrides(config: ClusterConfig, overrides: ConfigOverrides): ClusterConfig {
  const { model, instances, basePort } = overrides
  const name = overrides.group ?? config.groups[0]?.name
  return {
    ...config,
    balancer: { ...config.balancer, port: overrides.port ?? config.balancer.port },
    groups: config.groups.map((group) =>
      group.name === name
        ? {
            ...group,
            model: model ?? group.model,
            instances: instances ?? group.instances,
            basePort: basePort ?? group.basePort,
          }
        : group,
    ),
  }
}

/** The file alone has passed; throws ConfigError for what the command line makes of it. */
function checkPorts(config: ClusterConfig, { port, instances, basePort }: ConfigOverrides): void {
  const [lacking] = groupsWithoutPorts(config)
  if (lacking === undefined) return
  const flags = Object.entries({ '--port': port, '--base-port': basePort, '--instances': instances })
  const given = flags.filter(([, value]) => value !== undefined).map(([flag]) => flag)
  const message = `the last instance of \`${config.groups[lacking]?.name}\` would have no port`
  throw wrongFlag(given.join(', '), message)
}

/** With the keys of the files among the others. */
function readKeys(auth: ClusterConfig['auth'], folder: string, place: ConfigPlace): ClusterConfig['auth'] {
  const withFile = (keys: string[], file: string | undefined, setting: string): string[] =>
    file === undefined ? keys : [...new Set([...keys, ...readKeysFile(file, setting, place)])]
  const paths = {
    ...(auth.apiKeysFile === undefined ? {} : { apiKeysFile: resolve(folder, auth.apiKeysFile) }),
    ...(auth.adminKeysFile === undefined ? {} : { adminKeysFile: resolve(folder, auth.adminKeysFile) }),
  }
  return {
    ...paths,
    apiKeys: withFile(auth.apiKeys, paths.apiKeysFile, 'apiKeysFile'),
    adminKeys: withFile(auth.adminKeys, paths.adminKeysFile, 'adminKeysFile'),
  }
}

/** A file without keys is an error: of API keys it would let everybody in. */
function readKeysFile(path: string, setting: string, place: ConfigPlace): string[] {
  let reason = 'holds no key'
  try {
    const keys = parseApiKeysFile(readFileSync(path, 'utf8'))
    if (setting === 'adminKeysFile' && keys.some((key) => key.includes(' '))) {
      throw new RangeError('admin keys have no name and no limits')
    }
    if (keys.length > 0) return keys
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    reason = code === undefined ? message : `cannot be read: ${code}`
  }
  throw wrongAt(place, ['auth', setting], `${path} ${reason}`)
}

function checkHost(
  balancer: ClusterConfig['balancer'],
  place: ConfigPlace,
  isGuarded: boolean,
): ClusterConfig['balancer'] {
  if (isGuarded || isLoopback(balancer.host)) return balancer
  const message =
    `${balancer.host} is reachable from other machines; ` +
    'set auth.apiKeys or auth.apiKeysFile, or start with --insecure if something in front protects it'
  throw wrongAt(place, ['balancer', 'host'], message)
}

/** With absolute paths, of files that a server can be started with. */
function resolveTls(
  balancer: ClusterConfig['balancer'],
  folder: string,
  place: ConfigPlace,
): ClusterConfig['balancer'] {
  if (balancer.tls === undefined) return balancer
  const tls = { cert: resolve(folder, balancer.tls.cert), key: resolve(folder, balancer.tls.key) }
  try {
    readCertificate(tls)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    throw wrongAt(place, ['balancer', 'tls', error.setting], error.message)
  }
  return { ...balancer, tls }
}

/** Where a configuration stands, and what it names is looked for. */
interface ConfigPlace {
  folders: readonly string[]
  env: NodeJS.ProcessEnv
  label: string
  text: string
}

function wrongAt({ label, text }: ConfigPlace, path: readonly PropertyKey[], message: string): ConfigError {
  const { line, column } = placeOf(text, path)
  return new ConfigError(label, [{ line, column, message: `\`${formatPath(path)}\`: ${message}` }])
}

/** What is wrong is on the command line, and not in the file. */
function wrongFlag(flag: string, message: string): ConfigError {
  return new ConfigError(flag, [{ line: null, column: null, message }])
}

function resolveManifest(accuracy: ClusterConfig['eval'], place: ConfigPlace): ClusterConfig['eval'] {
  const candidates = [...new Set(place.folders.map((folder) => resolve(folder, accuracy.manifest)))]
  const manifest = candidates.find((path) => existsSync(path))
  if (manifest !== undefined) return { ...accuracy, manifest }
  if (!accuracy.enabled) return accuracy
  throw wrongAt(place, ['eval', 'manifest'], `no such file; looked for ${candidates.join(', ')}`)
}

/** What makes the error for a group's model: the command line is to blame for what it named. */
function wrongModel(
  config: ClusterConfig,
  withFlags: ClusterConfig,
  index: number,
  place: ConfigPlace,
): (message: string) => ConfigError {
  const isOfFlag = withFlags.groups[index]?.model !== config.groups[index]?.model
  return (message) =>
    isOfFlag ? wrongFlag('--model', message) : wrongAt(place, ['groups', index, 'model'], message)
}

/** Folder of a group's model: as a path, else what was pulled under that id, by which clients may then ask for it. */
function resolveModel(
  { model, aliases }: Pick<GroupConfig, 'model' | 'aliases'>,
  place: ConfigPlace,
  wrong: (message: string) => ConfigError,
): Pick<GroupConfig, 'model' | 'aliases'> {
  const { folders, env } = place
  const candidates = [...new Set(folders.map((folder) => resolve(folder, model)))]
  const found = candidates.find((path) => existsSync(path))
  if (found) return { model: found, aliases }
  const pulled = isHubId(model) ? findPulledModel(model, env) : null
  if (pulled) return { model: pulled, aliases: [...new Set([...aliases, model])] }
  const hint = isHubId(model) ? `, and it was not pulled; fetch it with \`asr-cluster pull ${model}\`` : ''
  throw wrong(`no such folder; looked for ${candidates.join(', ')}${hint}`)
}
