import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseCpuList } from '../instance/place-cpus.js'

/** Numbers of the cores that this process may use. */
export function usableCores(): number[] {
  try {
    const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (line?.[1]) return parseCpuList(line[1])
  } catch {
    // Not Linux: the numbers do not matter there, because nothing can be pinned.
  }
  return Array.from({ length: availableParallelism() }, (_, core) => core)
}
