import type { Member } from '@asr-cluster/protocol'

export interface FoundMember {
  member: Member
  /** Nobody said how many slots it has: its health answer does. */
  slotsFromHealth: boolean
}

export interface SourceSink {
  /** The whole set as it is now; what is not in it is gone. */
  onMembers(members: readonly FoundMember[]): void
  /** What is known stays; the source goes on by itself. */
  onFailure(error: Error): void
}

/** Where members come from: a fixed address, a name, a Service of Kubernetes. */
export interface MemberSource {
  /** Resolves with the first answer or failure, or when it takes long. Never rejects. */
  start(sink: SourceSink): Promise<void>
  stop(): void
}
