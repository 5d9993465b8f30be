import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { callerProof } from '../../../packages/protocol/dist/index.js'
import { ControlClient, controlSocketPath } from '../../../packages/supervisor/dist/index.js'
import { openFiles, residentBytes } from '../../balancer/lib/cpu.mjs'
import { freePort } from '../../balancer/lib/processes.mjs'
import { atEnd, kill, marked, sleep, start, tryRun, waitUntil } from './processes.mjs'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const faketimeLibraries = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map(
  (name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`,
)

function readOrNothing(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** A real cluster in a folder of its own, with what the faults need: a small disk, a clock that can be moved. */
export class LabCluster {
  /** `probeMs`: between two probes of an instance, by the balancer and by the supervisor. */
  constructor({ host, instances, demo, probeMs = 500 }) {
    this.probeMs = probeMs
    this.dir = mkdtempSync(join(tmpdir(), 'faults-'))
    atEnd(() => rmSync(this.dir, { recursive: true, force: true }))
    this.mark = `FAULTS_MARK=${randomBytes(8).toString('hex')}`
    this.key = `sk-lab-${randomBytes(16).toString('hex')}`
    this.host = host
    this.sizes = { hash: instances, ...(demo > 0 ? { demo } : {}) }
    this.disk = join(this.dir, 'disk')
    this.executions = join(this.dir, 'executions')
    this.clockFile = join(this.dir, 'clock')
    this.modelDir = join(this.dir, 'demo')
    writeFileSync(this.executions, '')
    writeFileSync(this.clockFile, '+0\n')
    mkdirSync(this.disk)
    this.diskKind = this.#mountDisk()
    this.faketime = faketimeLibraries.find((path) => tryRun('test', '-e', path) !== null)
    for (const name of ['tmp', 'state', 'logs']) mkdirSync(join(this.disk, name), { mode: 0o700 })
    const filter = (path) => !/eval|recipe/.test(path.slice(repository.length))
    cpSync(`${repository}models/demo`, this.modelDir, { recursive: true, filter })
    this.weights = [1]
    this.generation = 0
  }

  #mountDisk() {
    const image = join(this.dir, 'disk.img')
    const steps = [
      ['truncate', '-s', '96M', image],
      ['mkfs.ext4', '-q', '-m', '0', image],
    ]
    if (
      steps.every((step) => tryRun(...step) !== null) &&
      tryRun('mount', '-o', 'loop', image, this.disk) !== null
    ) {
      atEnd(() => {
        tryRun('fsfreeze', '-u', this.disk)
        tryRun('umount', '-l', this.disk)
      })
      return 'ext4'
    }
    if (tryRun('mount', '-t', 'tmpfs', '-o', 'size=96m', 'none', this.disk) === null) return 'folder'
    atEnd(() => tryRun('umount', '-l', this.disk))
    return 'tmpfs'
  }

  get logsDir() {
    return join(this.disk, 'logs')
  }

  writeConfig() {
    const common = { env: { GENERATION: this.generation }, threads: 1 }
    const groups = [
      {
        ...common,
        name: 'hash',
        model: this.dir,
        instances: this.sizes.hash,
        weights: this.weights,
        slots: 4,
      },
      { ...common, name: 'demo', model: this.modelDir, aliases: ['demo'], instances: this.sizes.demo },
    ]
    const config = {
      balancer: {
        host: this.host,
        port: this.port,
        queue: { max: 4096, timeout: '60s' },
        health: { interval: `${this.probeMs}ms`, timeout: '500ms' },
      },
      groups: groups
        .filter(({ name }) => this.sizes[name])
        .map((group, index) => ({ ...group, basePort: this.basePort + 50 * index })),
      supervisor: {
        // As the default it is longer than a balancer that was replaced keeps idle connections (75 s). With less it closes
        // them at this time, and a request that is on its way over a bad network just then breaks off.
        drainTimeout: '90s',
        stopTimeout: '2s',
        backoff: { base: '200ms', cap: '1s' },
        liveness: { interval: `${this.probeMs}ms`, timeout: '1s', fall: 2 },
        logs: { dir: this.logsDir, maxBytes: '200KB', backups: 2 },
      },
      auth: { apiKeys: [this.key] },
    }
    writeFileSync(join(this.dir, 'config.json'), JSON.stringify(config), { mode: 0o600 })
  }

  async start() {
    this.port ??= await freePort()
    // Below the ports that the kernel gives to connections.
    this.basePort ??= 20_000 + 200 * (process.pid % 60)
    this.writeConfig()
    const clock = {
      LD_PRELOAD: this.faketime,
      FAKETIME_TIMESTAMP_FILE: this.clockFile,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DISABLE_SHM: '1',
    }
    const [name, value] = this.mark.split('=')
    const env = {
      ...process.env,
      ...(this.faketime ? clock : {}),
      [name]: value,
      FAULTS_EXECUTIONS: this.executions,
      TMPDIR: join(this.disk, 'tmp'),
    }
    const launcher = fileURLToPath(new URL('launcher.mjs', import.meta.url))
    const args = [launcher, join(this.dir, 'config.json'), join(this.disk, 'state')]
    this.supervisor = start(process.execPath, args, { env, cwd: this.dir })
    await this.ready(120_000)
    // Instances may be ready before the balancer listens for the first time.
    const answers = async () => (await fetch(`http://127.0.0.1:${this.port}/healthz`)).ok
    await waitUntil(answers, 'the balancer to answer')
  }

  async status() {
    const client = new ControlClient(controlSocketPath(join(this.disk, 'state'), this.port))
    try {
      return await client.status()
    } finally {
      await client.close()
    }
  }

  async operate(name, body = {}) {
    const client = new ControlClient(controlSocketPath(join(this.disk, 'state'), this.port))
    let last
    try {
      for await (const line of client.stream('POST', `/${name}`, body)) last = line
    } finally {
      await client.close()
    }
    if (last?.ok !== true) throw new Error(`${name}: ${last?.message ?? 'no answer'}`)
  }

  /** Resolves when everything that should be there is ready. */
  async ready(deadlineMs = 60_000) {
    const wanted = this.sizes.hash + (this.sizes.demo ?? 0)
    const isReady = async () => {
      if (this.supervisor.exitCode !== null) return false
      const { balancer, instances } = await this.status()
      return balancer.pid !== null && instances.filter(({ state }) => state === 'ready').length === wanted
    }
    await waitUntil(isReady, 'all instances to be ready', deadlineMs).catch(async (error) => {
      const states = await this.status().catch(() => null)
      const detail = states?.instances.map(
        ({ id, state, lastExit }) => `${id} ${state} ${JSON.stringify(lastExit)}`,
      )
      throw new Error(
        `${error.message}\n${detail?.join('\n') ?? ''}\n${this.supervisor.output.slice(-2_000)}`,
      )
    })
  }

  /** Slots that are taken; once nobody asks any more it has to be none. */
  async slotsTaken() {
    const { balancer, instances } = await this.status()
    return instances.reduce((sum, { inFlight }) => sum + inFlight, balancer.queueDepth)
  }

  async resources() {
    const { balancer } = await this.status()
    const of = (pid) => ({ fd: openFiles(pid), rssMb: Math.round(residentBytes(pid) / 1e6) })
    return {
      supervisor: of(this.supervisor.pid),
      balancer: of(balancer.pid),
      processes: marked(this.mark).length,
      tempFiles: readdirSync(join(this.disk, 'tmp')),
    }
  }

  /** Ends everything by SIGTERM; how many processes are left then. */
  async stop() {
    kill(this.supervisor.pid, 'SIGTERM')
    await Promise.race([this.supervisor.exited, sleep(40_000)])
    await sleep(200)
    return marked(this.mark)
  }

  /** The identities of the instances that live now, and what proves that somebody knows them. */
  #identities() {
    return marked(this.mark).flatMap(({ pid }) => {
      const entry = /(?:^|\0)ASR_INSTANCE_IDENTITY=(\w+)/.exec(readOrNothing(`/proc/${pid}/environ`))
      return entry ? [entry[1], callerProof(entry[1])] : []
    })
  }

  /** Where the API key or an identity stands that nobody but its holder should see: files, answers, command lines. */
  async secretsSeen() {
    const secrets = [this.key, ...this.#identities()]
    const tellsOne = (text) => secrets.some((secret) => text.includes(secret))
    const seen = marked(this.mark).flatMap(({ command }) => (tellsOne(command) ? [command] : []))
    for (const name of existsSync(this.logsDir) ? readdirSync(this.logsDir) : [])
      if (tellsOne(readFileSync(join(this.logsDir, name), 'utf8'))) seen.push(name)
    if (tellsOne(this.supervisor.output)) seen.push('output')
    if (tellsOne(JSON.stringify(await this.status()))) seen.push('status')
    const headers = { authorization: `Bearer ${this.key}`, 'x-asr-probe': '1' }
    for (const path of ['/metrics', '/api/status', '/v1/nothing', '/health']) {
      const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers })
      if (tellsOne(JSON.stringify([...answer.headers]) + (await answer.text()))) seen.push(path)
    }
    return seen
  }
}
