import type { Member, ServedGroup } from '@asr-cluster/protocol'
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
  /** Of each id that was ever here, the number of its next life: what was learned about one process says nothing about the next. */
  readonly #nextLives = new Map<string, number>()
  /** Of each group the names of its models; also of groups whose members are away, whose requests can wait for them. */
  readonly #groups = new Map<string, Set<string>>()
  #names: ReadonlySet<string> | undefined
  /** Until the members are known it may. */
  #offersChoice = true
  #backends: Backend[] = []

  constructor(options: MembersOptions) {
    this.#options = options
  }

  get backends(): readonly Backend[] {
    return this.#backends
  }

  /** Whether a group has this name, or a model with this name; until the members are known one may. */
  hasGroup(name: string): boolean {
    return this.#names?.has(name) ?? true
  }

  /** Whether the answer may depend on the model that a request names. */
  get offersChoice(): boolean {
    return this.#offersChoice
  }

  /** Changes with the models that may serve a request to this group, or to any. */
  modelsOf(group: string | undefined): string {
    const all = this.#backends
      .filter((backend) => serves(backend, group))
      .map(({ member }) => JSON.stringify([member.group, member.models, member.revision ?? null]))
    return [...new Set(all)].sort().join()
  }

  /**
   * Makes the set equal to `members`, which must have different ids. `groups` are those that there are, with or without a
   * member at the moment; not given, a group that ever had one stays known.
   */
  apply(members: readonly Member[], groups?: readonly ServedGroup[]): void {
    this.#learnNames(members, groups)
    const before = new Map(this.#backends.map((backend) => [backend.id, backend]))
    const added: Backend[] = []
    this.#backends = members.map((member) => {
      const present = before.get(member.id)
      if (present && sameProcess(present.member, member)) {
        before.delete(member.id)
        const slots = this.#options.keepsSlots(member.id) ? present.member.slots : member.slots
        present.member = { ...member, slots, native: member.native || present.member.native }
        return present
      }
      const backend = new Backend({ ...member }, this.#options.connect(member))
      const life = present ? present.life + 1 : this.#nextLives.get(member.id)
      backend.rampWhenUp = life !== undefined
      backend.life = life ?? 0
      added.push(backend)
      return backend
    })
    for (const backend of before.values()) this.#remove(backend)
    for (const backend of added) this.#options.onAdded(backend)
    this.#options.onChanged()
  }

  #learnNames(members: readonly Member[], groups: readonly ServedGroup[] | undefined): void {
    const offers = [...members, ...(groups ?? [])]
    for (const { group, models } of offers) {
      const names = this.#groups.get(group) ?? new Set()
      this.#groups.set(group, names)
      for (const model of models) names.add(model)
    }
    if (groups) {
      const present = new Set(offers.map(({ group }) => group))
      for (const group of this.#groups.keys()) if (!present.has(group)) this.#groups.delete(group)
    }
    this.#names = new Set([...this.#groups].flatMap(([group, models]) => [group, ...models]))
    const modelLists = new Set(members.map(({ models }) => models.join('\n')))
    this.#offersChoice = this.#groups.size > 1 || modelLists.size > 1
  }

  #remove(backend: Backend): void {
    backend.removed = true
    this.#nextLives.set(backend.id, backend.life + 1)
    backend.connections.close()
    this.#options.onRemoved(backend)
  }
}

/** Another address or another identity is another process. */
function sameProcess(present: Member, next: Member): boolean {
  return present.url === next.url && present.identity === next.identity
}
