import { readFileSync } from 'node:fs'
import {
  apiKeyEntrySchema,
  environment,
  exitCodes,
  isLoopback,
  parseApiKeysFile,
  parseSizeBytes,
  readCertificate,
  type CertificatePair,
  type TlsFiles,
} from '@asr-cluster/protocol'
import { pino, type Logger } from 'pino'
import yargs from 'yargs'
import { Balancer } from './balancer.js'
import type { AnswerShelf } from './cache/answer-shelf.js'
import { openShelves, type ShelfOptions } from './cache/open-shelves.js'
import { systemClock } from './clock.js'
import { ConfigurationError, UsageError } from './option-errors.js'
import { configFlags, resolveConfig } from './options.js'
import { readConfigFile } from './read-config-file.js'
import { CertificateFiles } from './server/certificate-files.js'
import { connectSupervisor, type ParentChannel, type SupervisorLink } from './supervisor-link.js'
import { createSource } from './upstreams/create-source.js'
import { Discovery } from './upstreams/discovery.js'
import { systemSurroundings } from './upstreams/kubernetes/api-access.js'
import { parseUpstreams, type Upstream } from './upstreams/parse-upstream.js'
import { createSystemResolver } from './upstreams/system-resolver.js'

const usageExitCode = 2
/** Between two looks at the names of `dns+` and `srv+` upstreams whose TTL is not known. */
const resolveIntervalMs = 10_000

/** Runs the program; `argv` without node and script. Ends the process itself. */
export async function main(argv: readonly string[]): Promise<void> {
  const supervisorPid = process.env[environment.supervisorPid]
  if (supervisorPid !== undefined && Number(supervisorPid) !== process.ppid) process.exit(1)
  try {
    await run(parse(argv))
  } catch (error) {
    process.stderr.write(`asr-balancer: ${(error as Error).message}\n`)
    process.exit(exitCodeOf(error))
  }
}

interface Arguments {
  apiKeysFile: string | undefined
  insecure: boolean
  cacheMaxBytes: number | undefined
  shelves: ShelfOptions
  flags: Record<string, unknown>
  /** Of the command line. */
  upstreams: string[]
  configFile: string | undefined
  configJson: unknown
  listenFd: number | undefined
  logLevel: string
  accessLog: boolean
}

interface Parsed extends Record<string, unknown> {
  apiKeysFile?: string
  insecure: boolean
  cacheMaxBytes?: string
  cacheDir?: string
  cacheMaxDiskBytes: string
  cacheRedis?: string
  help?: boolean
  upstream: string[]
  config?: string
  configJson?: string
  listenFd?: number
  logLevel: string
  accessLog: boolean
}

function parse(argv: readonly string[]): Arguments {
  const parser = yargs([...argv])
    .scriptName('asr-balancer')
    .usage('$0 --upstream URL [--upstream URL…]\n\nOne port in front of many speech-recognition servers.')
    .option('upstream', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe:
        '[dns+|srv+|kubernetes+]URL[;weight=N][;slots=N][;id=ID][;group=G][;models=A,B][;health=/PATH][;native=true]',
    })
    .option('config', {
      type: 'string',
      describe: 'YAML or JSON file with `balancer:` and `upstreams:`; SIGHUP reads the upstreams again',
    })
    .option('config-json', { type: 'string', describe: 'The `balancer:` section as JSON; flags win over it' })
    .option('listen-fd', {
      type: 'number',
      describe: 'Listen on this inherited socket instead of host and port',
    })
    .option('api-keys-file', {
      type: 'string',
      describe:
        'Let only these API keys in: one a line, as it is or as sha256:HEX, with limits behind it (rate=60/min concurrency=4); SIGHUP reads them again',
    })
    .option('cache-max-bytes', {
      type: 'string',
      describe: 'Keep answers in so much memory, for requests that are the same in every byte',
    })
    .option('cache-dir', { type: 'string', describe: 'Keep answers in this folder too, over a restart' })
    .option('cache-max-disk-bytes', {
      type: 'string',
      default: '1GB',
      describe: 'Size of that folder; what was not used for the longest time goes first',
    })
    .option('cache-redis', {
      type: 'string',
      describe: `Share answers with other balancers through a Redis server: redis://, rediss:// or unix:// (or ${environment.cacheRedisUrl})`,
    })
    .implies({ 'cache-dir': 'cache-max-bytes', 'cache-redis': 'cache-max-bytes' })
    .option('insecure', {
      type: 'boolean',
      default: false,
      describe: 'Listen on a host that is not loopback without API keys',
    })
    .option('access-log', { type: 'boolean', default: false, describe: 'Log one line for each answer' })
    .option('log-level', {
      choices: ['debug', 'info', 'warn', 'error', 'silent'] as const,
      default: 'info' as const,
      describe: 'Least serious lines that are logged',
    })
    .options(configFlags as unknown as Record<string, { type: 'string' | 'number' }>)
    .strict()
    .version(false)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      throw new UsageError(message ?? error?.message ?? 'wrong usage')
    })
  const parsed = parser.parseSync() as unknown as Parsed
  if (parsed.help) process.exit(0)
  return {
    flags: parsed,
    upstreams: parsed.upstream,
    configFile: parsed.config,
    configJson: parsed.configJson === undefined ? undefined : parseJson(parsed.configJson),
    listenFd: parsed.listenFd,
    apiKeysFile: parsed.apiKeysFile,
    insecure: parsed.insecure,
    cacheMaxBytes:
      parsed.cacheMaxBytes === undefined ? undefined : sizeOf('--cache-max-bytes', parsed.cacheMaxBytes),
    shelves: {
      dir: parsed.cacheDir,
      maxDiskBytes: sizeOf('--cache-max-disk-bytes', parsed.cacheMaxDiskBytes),
      redisUrl: parsed.cacheRedis ?? process.env[environment.cacheRedisUrl],
    },
    logLevel: parsed.logLevel,
    accessLog: parsed.accessLog,
  }
}

function sizeOf(flag: string, text: string): number {
  try {
    return parseSizeBytes(text)
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new UsageError(`--config-json: ${(error as Error).message}`)
  }
}

async function run(args: Arguments): Promise<void> {
  const file = args.configFile === undefined ? undefined : readConfigFile(args.configFile)
  const config = resolveConfig(args.configJson ?? file?.balancer, args.flags)
  const upstreams = upstreamsOf(args)
  const apiKeyHashes = readApiKeys(args.apiKeysFile)
  if (
    args.listenFd === undefined &&
    !isLoopback(config.host) &&
    apiKeyHashes.length === 0 &&
    !args.insecure
  ) {
    throw new ConfigurationError(
      `--host ${config.host} is reachable from other machines: give --api-keys-file, or --insecure if something in front protects it`,
    )
  }
  const parent: ParentChannel | undefined = process.send ? (process as unknown as ParentChannel) : undefined
  // Lines are few, so they are written at once: the last words before a death are the ones that matter.
  const log = pino({ name: 'asr-balancer', level: args.logLevel }, pino.destination({ dest: 1, sync: true }))
  let link: SupervisorLink | undefined
  const certificate = config.tls && certificateOf(config.tls)
  const balancer = new Balancer(config, {
    log,
    certificate,
    apiKeyHashes,
    cacheMaxBytes: args.cacheMaxBytes,
    answerShelves: args.cacheMaxBytes === undefined ? [] : await shelvesOf(args.shelves, log),
    onUrgentStats: () => link?.sendStatsSoon(),
    takesSlotsFromHealth: (id) => discovery.takesSlotsFromHealth(id),
    ...(args.accessLog ? { onAccess: (entry) => log.info(entry, 'access') } : {}),
  })
  const certificateFiles =
    config.tls &&
    certificate &&
    new CertificateFiles(
      { files: config.tls, log, onCertificate: (pair) => balancer.setCertificate(pair) },
      certificate,
    )
  certificateFiles?.watch()
  const sourceOptions = {
    resolver: createSystemResolver(),
    clock: systemClock,
    random: Math.random,
    intervalMs: resolveIntervalMs,
    surroundings: systemSurroundings,
  }
  const discovery = new Discovery({
    clock: systemClock,
    createSource: (upstream) => createSource(upstream, sourceOptions),
    onMembers: (members, groups) => balancer.setMembers(members, groups),
    onFailure: ({ kind, member }, error) =>
      log.warn({ kind, upstream: member.url, reason: error.message }, 'upstream not looked up'),
  })
  const sayDrained = (): void => link?.send({ type: 'drained' })
  const handOver = once(() => balancer.handOver().then(sayDrained))
  const drain = once(() => balancer.drain().then(sayDrained))
  // The supervisor is dead: whoever it was to serve is somebody else's now.
  if (parent) process.on('disconnect', () => process.exit(1))
  if (parent)
    link = connectSupervisor(
      parent,
      balancer,
      log,
      (hasSuccessor) => void (hasSuccessor ? handOver() : drain()),
      () => certificateFiles?.reload() ?? false,
    )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // Ctrl-C reaches the whole foreground group; under a supervisor its word counts, not the terminal's.
    if (parent && signal === 'SIGINT') process.on(signal, () => undefined)
    else process.on(signal, () => void drain().then(() => exitClean(balancer, log)))
  }
  if (upstreams.length > 0) await discovery.setUpstreams(upstreams)
  if (file || args.apiKeysFile !== undefined || certificateFiles) {
    process.on('SIGHUP', () => reload(args, balancer, discovery, certificateFiles, log))
  }
  const port = await balancer.listen(args.listenFd === undefined ? config : { fd: args.listenFd })
  log.info({ host: config.host, port, policy: config.policy }, 'listening')
  link?.send({ type: 'listening', port })
}

function certificateOf(files: TlsFiles): CertificatePair {
  try {
    return readCertificate(files)
  } catch (error) {
    throw new ConfigurationError(`the certificate: ${(error as Error).message}`)
  }
}

async function shelvesOf(options: ShelfOptions, log: Logger): Promise<AnswerShelf[]> {
  try {
    return await openShelves(options, log)
  } catch (error) {
    throw new ConfigurationError(`the cache of answers: ${(error as Error).message}`)
  }
}

/** Of the command line and of the configuration file as it is now; none only under a supervisor, which tells the members. */
function upstreamsOf(args: Arguments): Upstream[] {
  const file = args.configFile === undefined ? undefined : readConfigFile(args.configFile)
  const texts = [...args.upstreams, ...(file?.upstreams ?? [])]
  if (!process.send && texts.length === 0) throw new UsageError('at least one --upstream is needed')
  return parseUpstreams(texts)
}

/** A file that cannot be used leaves everything as it is. */
function reload(
  args: Arguments,
  balancer: Balancer,
  discovery: Discovery,
  certificateFiles: CertificateFiles | undefined,
  log: Logger,
): void {
  const fail = (error: unknown): void =>
    log.error({ reason: (error as Error).message }, 'configuration not read again')
  try {
    const upstreams = upstreamsOf(args)
    const apiKeyHashes = readApiKeys(args.apiKeysFile)
    certificateFiles?.reload()
    log.info({ upstreams: upstreams.length, apiKeys: apiKeyHashes.length }, 'configuration read again')
    balancer.setApiKeys(apiKeyHashes)
    if (upstreams.length > 0) discovery.setUpstreams(upstreams).catch(fail)
  } catch (error) {
    fail(error)
  }
}

/** Of the file, and of the environment, where a supervisor puts them. */
function readApiKeys(file: string | undefined): string[] {
  const inherited = process.env[environment.apiKeyHashes]?.split(',') ?? []
  try {
    const fromFile = file === undefined ? [] : parseApiKeysFile(readFileSync(file, 'utf8'))
    if (file !== undefined && fromFile.length === 0) throw new RangeError('it holds no key')
    return [...inherited.filter(Boolean).map((hash) => apiKeyEntrySchema.parse(hash)), ...fromFile]
  } catch (error) {
    throw new ConfigurationError(`--api-keys-file ${file}: ${(error as Error).message}`)
  }
}

async function exitClean(balancer: Balancer, log: Logger): Promise<void> {
  await balancer.close()
  log.info('drained')
  process.exit(0)
}

function once<R>(run: () => R): () => R {
  let result: { value: R } | undefined
  return () => {
    result ??= { value: run() }
    return result.value
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return usageExitCode
  if (error instanceof ConfigurationError) return exitCodes.configuration
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? exitCodes.portInUse : 1
}
