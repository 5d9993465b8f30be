import type { Guard } from './guard.js'
import type { Spawner } from './spawner.js'

/** A spawner whose children the guard knows of for as long as they live. */
export function guardedSpawner(spawner: Spawner, guard: Pick<Guard, 'add' | 'remove'>): Spawner {
  return {
    async spawn(request) {
      const child = await spawner.spawn(request)
      guard.add(child.pid)
      void child.exited.then(() => guard.remove(child.pid))
      return child
    },
  }
}
