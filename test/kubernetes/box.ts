import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetch } from 'undici'
import { binOf, startCommand, waitFor, type Program } from '../harness/index.js'

const podFile = fileURLToPath(new URL('pod.js', import.meta.url))

/** An interface goes away some time after its namespace: no two may have the same name. */
let made = 0

/** Whether this process may make network namespaces. */
export function canMakeNetworks(): boolean {
  try {
    const name = `asr-try-${process.pid}`
    ip('netns', 'add', name)
    ip('netns', 'delete', name)
    return true
  } catch {
    return false
  }
}

export interface BoxOptions {
  /** 1 to 254; its network is 10.231.NUMBER.0/24. */
  number: number
  instances: number
  serviceMs: number
  deadlineMs: number
}

/** A host of its own, as far as the network is concerned, on which `asr-cluster up` runs small foreign servers. */
export class Box implements AsyncDisposable {
  readonly address: string
  readonly url: string
  readonly #namespace: string
  readonly #link: string
  readonly #dir = mkdtempSync(join(tmpdir(), 'asr-test-box-'))
  #program: Program | undefined

  private constructor({ number }: BoxOptions) {
    made += 1
    this.#namespace = `asr-${process.pid}-${made}`
    this.#link = `asr${process.pid % 100_000}v${made}`
    this.address = `10.231.${number}.2`
    this.url = `http://${this.address}:7860`
  }

  static async start(options: BoxOptions): Promise<Box> {
    const box = new Box(options)
    try {
      box.#makeNetwork(options.number)
      await box.#startCluster(options)
      return box
    } catch (error) {
      await box[Symbol.asyncDispose]()
      throw error
    }
  }

  output(): string {
    return this.#program?.output() ?? ''
  }

  /**
   * `unplugged`: the link is down at its end, so that it is not even found. `silent`: what it sends goes nowhere, as behind
   * a router that died: nobody gets an error.
   */
  cut(how: 'unplugged' | 'silent'): void {
    if (how === 'unplugged') ip('-n', this.#namespace, 'link', 'set', 'eth0', 'down')
    else ip('-n', this.#namespace, 'route', 'add', 'blackhole', `${this.#gateway}/32`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]()
    try {
      // Takes the other end with it, and at once; the namespace goes when its last process has gone.
      ip('link', 'delete', this.#link)
      ip('netns', 'delete', this.#namespace)
    } catch {
      // They were never made.
    }
    rmSync(this.#dir, { recursive: true, force: true })
  }

  get #gateway(): string {
    return this.address.replace(/2$/, '1')
  }

  #makeNetwork(number: number): void {
    ip('netns', 'add', this.#namespace)
    const peer = ['peer', 'name', 'eth0', 'netns', this.#namespace]
    ip('link', 'add', this.#link, 'type', 'veth', ...peer)
    ip('address', 'add', `10.231.${number}.1/24`, 'dev', this.#link)
    ip('link', 'set', this.#link, 'up')
    ip('-n', this.#namespace, 'link', 'set', 'lo', 'up')
    ip('-n', this.#namespace, 'address', 'add', `${this.address}/24`, 'dev', 'eth0')
    ip('-n', this.#namespace, 'link', 'set', 'eth0', 'up')
  }

  async #startCluster({ instances, serviceMs, number, deadlineMs }: BoxOptions): Promise<void> {
    const command = [process.execPath, podFile, '--port', '{port}', '--service-ms', String(serviceMs)]
    command.push('--slots', '4', '--id', `box-${number}`)
    const config = {
      balancer: { host: '0.0.0.0', port: 7860 },
      groups: [{ instances, slots: 4, basePort: 7861, command, healthPath: '/health' }],
    }
    const configFile = join(this.#dir, 'asr-cluster.yaml')
    writeFileSync(configFile, JSON.stringify(config))
    const args = ['netns', 'exec', this.#namespace, process.execPath, binOf('asr-cluster'), 'up']
    this.#program = startCommand('ip', [...args, '-c', configFile, '--insecure'], {
      cwd: this.#dir,
      env: { XDG_RUNTIME_DIR: this.#dir },
      deadlineMs,
    })
    await waitFor(async () => (await fetch(`${this.url}/readyz`)).ok, {
      what: `${this.url} to be ready`,
      deadlineMs: 60_000,
      context: () => this.output(),
    })
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
