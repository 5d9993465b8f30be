import { cpus } from 'node:os'

interface CpuTimes {
  busy: number
  total: number
}

/** Returns a function that says which share of all cores was busy since its last call, 0 to 1. */
export function createCpuUse(read: () => CpuTimes = readCpuTimes): () => number {
  let last = read()
  let use = 0
  return () => {
    const now = read()
    // Two scrapes within one tick of the kernel's clock have nothing to divide.
    if (now.total > last.total) {
      use = (now.busy - last.busy) / (now.total - last.total)
      last = now
    }
    return use
  }
}

function readCpuTimes(): CpuTimes {
  let busy = 0
  let total = 0
  for (const { times } of cpus()) {
    const spent = times.user + times.nice + times.sys + times.irq
    busy += spent
    total += spent + times.idle
  }
  return { busy, total }
}
