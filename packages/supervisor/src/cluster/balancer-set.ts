import type { BalancerCommand, BalancerMessage, BalancerStats } from '@asr-cluster/protocol'
import { balancerProgram } from '../balancer/balancer-program.js'
import type { ListeningSocket } from '../balancer/listening-socket.js'
import type { BalancerSettings, SupervisorConfig } from '../config/schema.js'
import { createManagedProcess } from '../process/managed-process.js'
import type { ManagedProcess, StateChange } from '../process/managed-process.js'
import type { RunAs, Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
import type { AdminDesk } from './admin-desk.js'
import type { LogSet } from './log-set.js'
import { machineSettings } from './machine-settings.js'
import { letIn } from './own-key.js'

export interface BalancerSetOptions {
  settings: BalancerSettings
  supervisor: SupervisorConfig
  command: readonly string[]
  socket: ListeningSocket
  clusterId: string
  spawner: Spawner
  clock: Clock
  random: () => number
  logs: LogSet
  user: RunAs | null
  admin: AdminDesk
  onChange: (change: StateChange) => void
  /** Stats or a drain's end arrived. */
  onNews: () => void
  /** A balancer needs to be told the members. */
  onNeedsMembers: () => void
  /** Whether the condition held in time; it is looked at after each `onNews` and `onChange`. */
  untilOrLate: (condition: () => boolean, timeoutMs: number) => Promise<boolean>
  /** Resolves when a balancer may begin to accept. */
  mayAccept: () => Promise<void>
  /** Nothing more will be said of this id. */
  onForgotten: (id: string) => void
}

/**
 * After a hand-over the old balancer lives until its clients' connections are gone. So many may; with one more the oldest
 * closes those that are idle.
 */
const mostRetiring = 3

/** How long a balancer may take to count new API keys. */
const keysDeadlineMs = 5_000
const certificateDeadlineMs = 5_000

/** The balancer, and beside it those before it that still have connections, and the next one while it starts. */
export interface BalancerSet {
  current(): ManagedProcess
  all(): ManagedProcess[]
  /** What the current one said last; null before, and while it is down. */
  stats(): BalancerStats | null
  /** Requests in flight at an instance over all balancers; null if one has not yet heard that it is draining. */
  inFlightWhileDraining(id: string): number | null
  tellAll(command: BalancerCommand): void
  /** Asks the current one for a sign of life. */
  check(timeoutMs: number, signal: AbortSignal): Promise<void>
  setSupervisorConfig(config: SupervisorConfig): void
  /** Starts a second balancer on the same socket. */
  startNext(settings: BalancerSettings): ManagedProcess
  /** Makes the second one the current one. The other finishes by itself, at the latest after drainTimeout. */
  promote(): void
  /** Takes back a second one that did not come up and is stopped. */
  abandonNext(): void
  /**
   * These are let in from now on, on open connections too. Resolves once they count in every balancer; one that does
   * not take them is killed.
   */
  setApiKeys(settings: BalancerSettings): Promise<void>
  /**
   * Has all balancers read the files of their certificate again; those in which they cannot be used keep the one before.
   * Resolves with whether there is a new one. Rejects with the reason that the current one gives.
   */
  reloadCertificate(): Promise<boolean>
  /** Resolves once no balancer that was told to shut down has anything left. */
  isDrained(): boolean
}

interface Member {
  settings: BalancerSettings
  /** Of the API keys that it counts. */
  keysRevision: number
  check: (timeoutMs: number, signal: AbortSignal) => Promise<void>
  process: ManagedProcess
  stats: BalancerStats | null
  hasDrained: boolean
  certificate: Extract<BalancerMessage, { type: 'certificate-taken' }> | null
}

export function createBalancerSet(options: BalancerSetOptions): BalancerSet {
  let supervisor = options.supervisor
  let keysRevision = 0
  let certificateRevision = 0
  let current = create(options.settings)
  let next: Member | null = null
  /** The oldest first. */
  let retiring: Member[] = []

  function create(settings: BalancerSettings): Member {
    const program = balancerProgram({
      command: options.command,
      settings: () => member.settings,
      listenFd: options.socket.fd,
      port: options.socket.port,
      clusterId: options.clusterId,
      user: options.user,
      mayAccept: options.mayAccept,
      onMessage: (message) => onMessage(member, message),
      onSpawned() {
        // They may have changed since its environment was made.
        member.keysRevision = -1
        sendKeys(member)
        // Before it listens: one without members would refuse the connections that waited for it.
        queueMicrotask(options.onNeedsMembers)
      },
    })
    const member: Member = {
      settings,
      keysRevision: -1,
      stats: null,
      hasDrained: false,
      certificate: null,
      check: (timeoutMs, signal) => program.check(timeoutMs, signal),
      process: createManagedProcess({
        program,
        settings: machineSettings(supervisor, 'message'),
        spawner: options.spawner,
        clock: options.clock,
        random: options.random,
        log: options.logs.get('balancer'),
        onChange: (change) => onChange(member, change),
      }),
    }
    return member
  }

  function onChange(member: Member, change: StateChange): void {
    if (change.to !== 'ready' && change.to !== 'draining') member.stats = null
    if (change.to === 'starting') member.hasDrained = false
    if (change.to !== 'ready' && change.to !== 'draining') options.admin.forget(member)
    // Without names of their own the end of a former balancer would look like the end of the present one.
    const id = member === current ? change.id : `${change.id}-${member === next ? 'next' : 'previous'}`
    options.onChange({ ...change, id })
    if (change.to !== 'stopped' || !retiring.includes(member)) return
    retiring = retiring.filter((other) => other !== member)
    if (retiring.length === 0) options.onForgotten(id)
  }

  function onMessage(member: Member, message: BalancerMessage): void {
    if (message.type === 'admin' || message.type === 'admin-gone') {
      options.admin.onMessage(member, message, (answer) => member.process.send(answer))
      return
    }
    if (message.type === 'stats') member.stats = message
    if (message.type === 'certificate-taken') member.certificate = message
    if (message.type === 'api-keys-taken') member.keysRevision = message.revision
    if (message.type === 'drained') {
      member.hasDrained = true
      // Moves only one that retires.
      member.process.dispatch({ type: 'drained' })
    }
    options.onNews()
  }

  function sendKeys(member: Member): void {
    const hashes = letIn(member.settings.auth.apiKeys)
    member.process.send({ type: 'api-keys', hashes, revision: keysRevision })
  }

  const members = (): Member[] => [current, ...(next ? [next] : []), ...retiring]
  const lives = ({ process }: Member): boolean => ['ready', 'draining'].includes(process.state().state)

  return {
    current: () => current.process,
    all: () => members().map(({ process }) => process),
    stats: () => current.stats,
    inFlightWhileDraining(id) {
      let sum = 0
      for (const { process, stats } of members()) {
        const { state } = process.state()
        if (state === 'stopped' || state === 'failed') continue
        const member = stats?.members.find((other) => other.id === id)
        if (member?.state !== 'draining') return null
        sum += member.inFlight
      }
      return sum
    },
    tellAll(command) {
      for (const { process } of members()) process.send(command)
    },
    check: (timeoutMs, signal) => current.check(timeoutMs, signal),
    isDrained: () => members().every((member) => member.hasDrained || !lives(member)),
    setSupervisorConfig(config) {
      supervisor = config
      for (const { process } of members()) process.setSettings(machineSettings(config, 'message'))
    },
    startNext(settings) {
      next = create(settings)
      next.process.dispatch({ type: 'start' })
      return next.process
    },
    promote() {
      if (!next) throw new Error('no balancer was started to take over')
      const old = current
      const { state: from } = old.process.state()
      current = next
      next = null
      options.onForgotten(`${old.process.id}-next`)
      retiring.push(old)
      // A stop by the machine's rules: a death is not followed by another life, and drainTimeout bounds it.
      old.process.dispatch({ type: 'stop', drain: true, reason: 'replaced' })
      old.process.send({ type: 'shutdown', handOver: true })
      if (old.process.state().state === 'stopped') retiring = retiring.filter((other) => other !== old)
      if (from !== 'ready') {
        const { id } = current.process
        const pid = current.process.pid()
        options.onChange({ id, from, to: 'ready', reason: 'took over', pid, restart: null })
      }
      for (const member of retiring.slice(0, -mostRetiring)) member.process.send({ type: 'shutdown' })
    },
    abandonNext() {
      if (next) options.onForgotten(`${next.process.id}-next`)
      next = null
    },
    async reloadCertificate() {
      certificateRevision += 1
      const revision = certificateRevision
      for (const { process } of members()) process.send({ type: 'certificate', revision })
      const told = current
      const answer = (): Member['certificate'] =>
        told.certificate?.revision === revision ? told.certificate : null
      // One that is not there reads the files when it starts.
      const isSettled = (): boolean => answer() !== null || !lives(told)
      const isInTime = await options.untilOrLate(isSettled, certificateDeadlineMs)
      const reason = isInTime ? answer()?.reason : 'the balancer does not answer'
      if (reason !== undefined) throw new Error(`the certificate is not taken: ${reason}`)
      return answer()?.isNew ?? false
    },
    async setApiKeys({ auth }) {
      keysRevision += 1
      const told = members()
      for (const member of told) {
        member.settings = { ...member.settings, auth }
        sendKeys(member)
      }
      const behind = (): Member[] => told.filter((each) => lives(each) && each.keysRevision < keysRevision)
      if (await options.untilOrLate(() => behind().length === 0, keysDeadlineMs)) return
      for (const { process } of behind()) {
        process.dispatch({ type: 'unresponsive', message: 'does not take the API keys' })
        if (process.state().state === 'draining') {
          process.dispatch({ type: 'kill', reason: 'does not take the API keys' })
        }
      }
    },
  }
}
