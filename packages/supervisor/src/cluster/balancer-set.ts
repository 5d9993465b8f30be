import type { BalancerCommand, BalancerMessage, BalancerStats } from '@asr-cluster/protocol'
import { balancerProgram } from '../balancer/balancer-program.js'
import type { ListeningSocket } from '../balancer/listening-socket.js'
import type { BalancerSettings, SupervisorConfig } from '../config/schema.js'
import { createManagedProcess } from '../process/managed-process.js'
import type { ManagedProcess, StateChange } from '../process/managed-process.js'
import type { RunAs, Spawner } from '../process/spawner.js'
import type { Clock } from '../world/clock.js'
import type { LogSet } from './log-set.js'
import { machineSettings } from './machine-settings.js'

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
  onChange: (change: StateChange) => void
  /** Stats or a drain's end arrived. */
  onNews: () => void
  /** A balancer needs to be told the members. */
  onNeedsMembers: () => void
}

/** The balancer, and for the time of a hand-over also the one before it. */
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
  /** True once the current one has said that nothing is left after `shutdown`. */
  hasDrained(): boolean
  setSupervisorConfig(config: SupervisorConfig): void
  /** Starts a second balancer on the same socket. */
  startNext(settings: BalancerSettings): ManagedProcess
  /** Makes the second one the current one; the other is told to finish. Returns the one that retires. */
  promote(): ManagedProcess
  /** True once a retiring one has nothing left. */
  hasRetired(process: ManagedProcess): boolean
  /** Forgets a balancer that is stopped. */
  forget(process: ManagedProcess): void
}

interface Member {
  check: (timeoutMs: number, signal: AbortSignal) => Promise<void>
  process: ManagedProcess
  stats: BalancerStats | null
  hasDrained: boolean
}

export function createBalancerSet(options: BalancerSetOptions): BalancerSet {
  let supervisor = options.supervisor
  let current = create(options.settings)
  let others: Member[] = []

  function create(settings: BalancerSettings): Member {
    const program = balancerProgram({
      command: options.command,
      settings: () => settings,
      listenFd: options.socket.fd,
      port: options.socket.port,
      clusterId: options.clusterId,
      user: options.user,
      onMessage: (message) => onMessage(member, message),
      // Before it listens: one without members would refuse the connections that waited for it.
      onSpawned: () => queueMicrotask(options.onNeedsMembers),
    })
    const member: Member = {
      stats: null,
      hasDrained: false,
      check: (timeoutMs, signal) => program.check(timeoutMs, signal),
      process: createManagedProcess({
        program,
        settings: machineSettings(supervisor, 'message'),
        spawner: options.spawner,
        clock: options.clock,
        random: options.random,
        log: options.logs.get('balancer'),
        onChange(change) {
          if (change.to !== 'ready') member.stats = null
          if (change.to === 'starting') member.hasDrained = false
          options.onChange(change)
        },
      }),
    }
    return member
  }

  function onMessage(member: Member, message: BalancerMessage): void {
    if (message.type === 'stats') member.stats = message
    if (message.type === 'drained') member.hasDrained = true
    options.onNews()
  }

  const members = (): Member[] => [current, ...others]

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
    hasDrained: () => current.hasDrained,
    setSupervisorConfig(config) {
      supervisor = config
      for (const { process } of members()) process.setSettings(machineSettings(config, 'message'))
    },
    startNext(settings) {
      const next = create(settings)
      others.push(next)
      next.process.dispatch({ type: 'start' })
      return next.process
    },
    promote() {
      const next = others.at(-1)
      if (!next) throw new Error('no balancer was started to take over')
      const retiring = current
      others = [...others.filter((other) => other !== next), retiring]
      current = next
      retiring.process.send({ type: 'shutdown', handOver: true })
      return retiring.process
    },
    hasRetired: (process) => others.find((other) => other.process === process)?.hasDrained ?? true,
    forget(process) {
      others = others.filter((other) => other.process !== process)
    },
  }
}
