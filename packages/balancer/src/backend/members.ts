import type { Member } from '@asr-cluster/protocol'
import type { Connections } from '../upstream/connections.js'
import { serves } from './select.js'
import { Backend } from './backend.js'

export interface MembersOptions {
  connect: (member: Member) => Connections
  onAdded: (backend: Backend) => void
  onRemoved: (backend: Backend) => void
  /** Whether the slots of a member are learned from it and not what the set says. */
  keepsSlots: (id: string) => boolean
  /** The set or a property changed. */
  onChanged: () => void
}

/** The member set in force. Requests in flight on a member that leaves or changes go on. */
export class Members {
  readonly #options: MembersOptions
  readonly #known = new Set<string>()
  /** Also of members that are away at the moment, whose requests can wait for them. */
  readonly #groups = new Set<string>()
  #backends: Backend[] = []

  constructor(options: MembersOptions) {
    this.#options = options
  }

  get backends(): readonly Backend[] {
    return this.#backends
  }

  /** Whether a member of this group, or with this model, is or was in the set. */
  hasGroup(name: string): boolean {
    return this.#groups.has(name)
  }

  /** Changes with the models that may serve a request to this group, or to any. */
  modelsOf(group: string | undefined): string {
    const all = this.#backends
      .filter((backend) => serves(backend, group))
      .map(({ member }) => JSON.stringify([member.group, member.models, member.revision ?? null]))
    return [...new Set(all)].sort().join()
  }

  /** Makes the set equal to `members`, which must have different ids. */
  apply(members: readonly Member[]): void {
    const before = new Map(this.#backends.map((backend) => [backend.id, backend]))
    const added: Backend[] = []
    for (const member of members) for (const name of [member.group, ...member.models]) this.#groups.add(name)
    this.#backends = members.map((member) => {
      const present = before.get(member.id)
      if (present && sameProcess(present.member, member)) {
        before.delete(member.id)
        const slots = this.#options.keepsSlots(member.id) ? present.member.slots : member.slots
        present.member = { ...member, slots, native: member.native || present.member.native }
        return present
      }
      const backend = new Backend({ ...member }, this.#options.connect(member))
      backend.rampWhenUp = this.#known.has(member.id)
      this.#known.add(member.id)
      added.push(backend)
      return backend
    })
    for (const backend of before.values()) this.#remove(backend)
    for (const backend of added) this.#options.onAdded(backend)
    this.#options.onChanged()
  }

  #remove(backend: Backend): void {
    backend.removed = true
    backend.connections.close()
    this.#options.onRemoved(backend)
  }
}

/** Another address or another identity is another process. */
function sameProcess(present: Member, next: Member): boolean {
  return present.url === next.url && present.identity === next.identity
}
