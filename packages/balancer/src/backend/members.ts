import type { Member, ServedGroup } from '@asr-cluster/protocol'
import type { Connections } from '../upstream/connections.js'
import { serves } from './select.js'
import { Backend } from './backend.js'

/** Members that left, of which so many are known again: pods come and go for ever, each with a name of its own. */
const rememberedMembers = 1_000

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
  /** The number that the life of the next member has at least: what was learned about one process says nothing about the next. */
  #nextLife = 0
  /** Ids of those that left, the latest last. */
  readonly #left = new Set<string>()
  /** The groups that there are to be, as they were last told. */
  #configured: readonly ServedGroup[] = []
  /**
   * Of each group that had a member the names that only its last members told; they are kept while it has none, so that
   * requests can wait for one.
   */
  readonly #learned = new Map<string, Set<string>>()
  #names: ReadonlySet<string> | undefined
  #modelNames: readonly string[] = []
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

  /** What may be named to be served, sorted; also by members that are away. */
  get modelNames(): readonly string[] {
    return this.#modelNames
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
      backend.rampWhenUp = present !== undefined || this.#left.delete(member.id)
      backend.life = Math.max(this.#nextLife, present ? present.life + 1 : 0)
      added.push(backend)
      return backend
    })
    for (const backend of before.values()) this.#remove(backend)
    for (const backend of added) this.#options.onAdded(backend)
    this.#options.onChanged()
  }

  #learnNames(members: readonly Member[], groups: readonly ServedGroup[] | undefined): void {
    this.#configured = groups ?? this.#configured
    const told = new Map<string, Set<string>>()
    for (const { group, models } of members) {
      const names = told.get(group) ?? new Set()
      told.set(group, names)
      // What was configured is forgotten with its configuration.
      const own = this.#configured.filter((each) => each.group === group).flatMap((each) => each.models)
      for (const model of models) if (!own.includes(model)) names.add(model)
    }
    for (const [group, names] of told) this.#learned.set(group, names)
    if (groups) {
      const present = new Set([...members, ...groups].map(({ group }) => group))
      for (const group of this.#learned.keys()) if (!present.has(group)) this.#learned.delete(group)
    }
    const groupNames = new Set([...this.#learned.keys(), ...this.#configured.map(({ group }) => group)])
    const modelNames = new Set([
      ...[...this.#learned.values()].flatMap((names) => [...names]),
      ...this.#configured.flatMap(({ models }) => models),
    ])
    this.#modelNames = [...modelNames].sort()
    this.#names = new Set([...groupNames, ...modelNames])
    this.#offersChoice = groupNames.size > 1 || differ(members) || differ(this.#configured)
  }

  #remove(backend: Backend): void {
    backend.removed = true
    this.#nextLife = Math.max(this.#nextLife, backend.life + 1)
    this.#left.delete(backend.id)
    this.#left.add(backend.id)
    for (const oldest of this.#left) {
      if (this.#left.size <= rememberedMembers) break
      this.#left.delete(oldest)
    }
    backend.connections.close()
    this.#options.onRemoved(backend)
  }
}

/** Whether one offers other models than another. */
function differ(offers: readonly ServedGroup[]): boolean {
  return new Set(offers.map(({ models }) => models.join('\n'))).size > 1
}

/** Another address or another identity is another process. */
function sameProcess(present: Member, next: Member): boolean {
  return present.url === next.url && present.identity === next.identity
}
