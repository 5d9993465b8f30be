import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { InstanceSpec } from './plan-instances.js'

/**
 * Changes with whatever may change what an instance answers, so that the balancer forgets the answers it keeps: the
 * files of the model by size and time, the precision, another program, its environment.
 */
export function modelRevision({ model, quantization, device, command, env }: InstanceSpec): string {
  const files = command === null ? stampsOf(model) : []
  const parts = [model, quantization, device, command, env, files]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

/** The lock and the record of a pull that may have found everything in place. */
function isOfPull(name: string): boolean {
  return name.startsWith('.')
}

function stampsOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !isOfPull(name))
      .sort()
      .map((name) => {
        const { size, mtimeMs } = statSync(join(folder, name))
        return `${name} ${size} ${mtimeMs}`
      })
  } catch {
    // Whatever is wrong with the folder, the instance will say it better.
    return []
  }
}
