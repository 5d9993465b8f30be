import { fileURLToPath } from 'node:url'
import { startProgram, type Program } from '../harness/index.js'
import type { FakeApiServer } from './api-server.js'
import { makeSlice, type Pod } from './slices.js'

const podFile = fileURLToPath(new URL('pod.js', import.meta.url))

interface RunningPod {
  pod: Pod
  program: Program
}

export interface DeploymentOptions {
  replicas: number
  slots: number
  serviceMs: number
  port: number
  deadlineMs: number
}

/**
 * Plays the controllers and the kubelet for pods that are real processes, each at a loopback address of its own: new ones
 * are listed as not ready until they are, old ones as terminating while they drain.
 */
export class Deployment implements AsyncDisposable {
  readonly #api: FakeApiServer
  readonly #options: DeploymentOptions
  #pods: RunningPod[] = []
  #made = 0

  constructor(api: FakeApiServer, options: DeploymentOptions) {
    this.#api = api
    this.#options = options
  }

  async start(): Promise<void> {
    for (let index = 0; index < this.#options.replicas; index += 1) await this.#add()
  }

  get names(): string[] {
    return this.#pods.map(({ pod }) => pod.name)
  }

  /** As with `maxSurge: 1, maxUnavailable: 0`: one more is ready before one goes. */
  async replaceAll(): Promise<void> {
    for (const old of this.#pods) {
      await this.#add()
      await this.#remove(old)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pods.map(({ program }) => program[Symbol.asyncDispose]()))
  }

  async #add(): Promise<void> {
    const { slots, serviceMs, port, deadlineMs } = this.#options
    this.#made += 1
    const name = `asr-${this.#made}`
    const pod: Pod = { name, ip: `127.0.7.${this.#made}`, ready: false }
    const args = ['--host', pod.ip, '--port', String(port), '--id', name]
    args.push('--slots', String(slots), '--service-ms', String(serviceMs))
    const program = startProgram(podFile, { args, deadlineMs })
    const running = { pod, program }
    this.#pods = [...this.#pods, running]
    this.#publish()
    await program.printed(/listening/)
    running.pod = { name, ip: pod.ip }
    this.#publish()
  }

  async #remove(running: RunningPod): Promise<void> {
    // The kubelet and the slice's controller hear of a deletion at the same time: either may be first.
    if (this.#made % 2 === 0) running.program.signal('SIGTERM')
    running.pod = { ...running.pod, ready: false, serving: true, terminating: true }
    this.#publish()
    running.program.signal('SIGTERM')
    await running.program.exited
    this.#pods = this.#pods.filter((each) => each !== running)
    this.#publish()
  }

  #publish(): void {
    const pods = this.#pods.map(({ pod }) => pod)
    this.#api.put(makeSlice({ name: 'asr-abc', service: 'asr', port: this.#options.port, pods }))
  }
}
