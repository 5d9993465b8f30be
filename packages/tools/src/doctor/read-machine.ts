import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, availableParallelism, freemem, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { helperPrograms, type GpuFact, type HelperProgram, type MachineFacts } from './facts.js'

const layerFolders = ['/usr/share', '/usr/local/share', '/etc'].map((at) => `${at}/vulkan/implicit_layer.d`)
const run = promisify(execFile)
/** `nvidia-smi` may hang on a broken driver. */
const programTimeoutMs = 10_000

export async function readMachine(env: NodeJS.ProcessEnv): Promise<MachineFacts> {
  const { findExecutable } = await import('@asr-cluster/asr-instance')
  const programs = Object.fromEntries(
    helperPrograms.map((name) => [name, findExecutable(name, env['PATH'])]),
  ) as Record<HelperProgram, string | null>
  const { gpus, gpuTrouble } = await readGpus(programs['nvidia-smi'])
  return {
    nodeVersion: process.version,
    platform: process.platform,
    arch: arch(),
    cores: availableParallelism(),
    cpuFlags: /^flags\s*:\s*(.*)$/m.exec(readText('/proc/cpuinfo'))?.[1]?.split(' ') ?? [],
    memory: readMemory(),
    openFiles: parseOpenFiles(readText('/proc/self/limits')),
    programs,
    hasParentDeathSignal: await hasParentDeathSignal(programs.setpriv),
    gpus,
    gpuTrouble,
    canChooseVulkanDevice: layerFolders.some((folder) =>
      existsSync(`${folder}/VkLayer_MESA_device_select.json`),
    ),
  }
}

async function readGpus(program: string | null): Promise<Pick<MachineFacts, 'gpus' | 'gpuTrouble'>> {
  if (program === null) return { gpus: [], gpuTrouble: null }
  const query = ['--query-gpu=name,memory.total,memory.free,driver_version', '--format=csv,noheader,nounits']
  try {
    const { stdout } = await run(program, query, { timeout: programTimeoutMs })
    return { gpus: parseGpus(stdout), gpuTrouble: null }
  } catch (error) {
    const { killed, stdout } = error as { killed?: boolean; stdout?: string }
    const said = stdout?.trim().split('\n')[0]
    const trouble = killed
      ? `no answer in ${programTimeoutMs / 1000} s`
      : said || String((error as Error).message)
    return { gpus: [], gpuTrouble: trouble.slice(0, 200) }
  }
}

/** Lines of `name, MiB in all, MiB free, driver`. */
export function parseGpus(text: string): GpuFact[] {
  return text.split('\n').flatMap((line) => {
    const [name, total, free, driver] = line.split(',').map((field) => field.trim())
    return name && driver !== undefined
      ? [{ name, memoryBytes: bytesOf(total), freeBytes: bytesOf(free), driver }]
      : []
  })
}

const bytesOf = (mebibytes: string | undefined): number => (Number(mebibytes) || 0) * 2 ** 20

/** Soft limit from /proc/self/limits; Infinity where there is none or it is not known. */
export function parseOpenFiles(limits: string): number {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft)
}

/** Of the container where one limits it. */
function readMemory(): MachineFacts['memory'] {
  const total = totalmem()
  const limit = process.constrainedMemory()
  const available =
    Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readText('/proc/meminfo'))?.[1] ?? Number.NaN) * 1024
  const availableBytes = Number.isFinite(available) ? available : freemem()
  // Without a limit it says 0 or 2^64.
  if (!(limit > 0 && limit < total)) return { totalBytes: total, availableBytes }
  return { totalBytes: limit, availableBytes: Math.min(availableBytes, limit) }
}

async function hasParentDeathSignal(setpriv: string | null): Promise<boolean> {
  if (setpriv === null) return false
  return run(setpriv, ['--pdeathsig', 'KILL', '--', 'true'], { timeout: programTimeoutMs }).then(
    () => true,
    () => false,
  )
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
