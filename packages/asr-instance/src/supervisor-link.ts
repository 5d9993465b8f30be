import type { EventEmitter } from 'node:events'
import { environment, instanceMessageSchema, type InstanceMessage } from '@asr-cluster/protocol'

/** The part of `process` that is needed here. */
export interface ChildProcessSelf extends Pick<EventEmitter, 'once'> {
  readonly env: NodeJS.ProcessEnv
  readonly ppid: number
  readonly connected?: boolean | undefined
  send?: ((message: InstanceMessage) => unknown) | undefined
}

export interface SupervisorLink {
  send(message: InstanceMessage): void
  /** Resolves when the parent is gone; never without a parent to watch. */
  readonly lost: Promise<void>
}

const progressIntervalMs = 250
const parentCheckMs = 1_000

/**
 * The channel to the supervisor, if there is one. An instance that lost its parent must end, because nobody would
 * ever stop it: the channel closes when the parent dies, and the parent's pid tells where there is no channel.
 */
export function connectSupervisor(
  self: ChildProcessSelf,
  clock: { nowMs(): number; every(callback: () => void, ms: number): void },
): SupervisorLink {
  const expectedParent = self.env[environment.supervisorPid]
  const lost = new Promise<void>((resolve) => {
    if (self.send !== undefined) {
      self.once('disconnect', () => resolve())
      if (self.connected === false) resolve()
    }
    if (expectedParent === undefined) return
    const check = () => {
      if (String(self.ppid) !== expectedParent) resolve()
    }
    check()
    clock.every(check, parentCheckMs)
  })
  let lastProgressMs = Number.NEGATIVE_INFINITY
  return {
    lost,
    send(message) {
      if (self.send === undefined || self.connected === false) return
      if (message.type === 'progress' && message.ratio < 1) {
        if (clock.nowMs() - lastProgressMs < progressIntervalMs) return
        lastProgressMs = clock.nowMs()
      }
      self.send(instanceMessageSchema.parse(message))
    },
  }
}
