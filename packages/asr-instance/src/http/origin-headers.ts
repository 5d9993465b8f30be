import { identityHeader, identityMark } from '@asr-cluster/protocol'

/**
 * Whose answer it is. Every answer of an instance carries these, those that no route gives too: the balancer takes one
 * without the mark for a stranger's who took the port, and passes it on to nobody.
 */
export function originHeaders({
  id,
  identity,
}: {
  id: string
  identity?: string | undefined
}): Record<string, string> {
  return {
    'x-asr-instance': id,
    ...(identity === undefined ? {} : { [identityHeader]: identityMark(identity) }),
  }
}
