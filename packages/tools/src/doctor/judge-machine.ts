import { formatBytes } from '../common/format.js'
import type { ClusterFacts, MachineFacts } from './facts.js'
import { missing, ok, warning, type Finding } from './finding.js'

const oldestNode: readonly [number, number] = [20, 19]
const fewestFiles = 1024
const goodFiles = 4096

export function judgeMachine(machine: MachineFacts, cluster: ClusterFacts): Finding[] {
  return [
    judgeNode(machine.nodeVersion),
    judgePlatform(machine),
    judgeCpu(machine),
    judgeMemory(machine, cluster),
    judgeFiles(machine.openFiles),
    ...judgePrograms(machine),
    judgeGpus(machine, cluster),
    ...judgeGpuChoice(machine, cluster),
  ]
}

function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const isNewEnough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
  if (isNewEnough) return ok('Node', version)
  const needed = oldestNode.join('.')
  return missing(
    'Node',
    `${version}, ${needed} or newer is needed`,
    `Install Node ${needed} or newer: https://nodejs.org`,
  )
}

function judgePlatform({ platform, arch }: MachineFacts): Finding {
  const detail = `${platform} ${arch}`
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return ok('system', detail)
  return warning('system', `${detail} is not tested`, 'Run it on Linux (x64 or arm64), or in a container.')
}

function judgeCpu({ cores, cpuFlags, arch }: MachineFacts): Finding {
  const count = `${cores} core${cores === 1 ? '' : 's'} usable`
  if (arch !== 'x64' || cpuFlags.length === 0) return ok('processor', count)
  const useful = ['avx2', 'avx512f', 'avx_vnni', 'avx512_vnni', 'amx_int8'].filter((flag) =>
    cpuFlags.includes(flag),
  )
  if (useful.length > 0) return ok('processor', `${count}, ${useful.join(', ')}`)
  return warning(
    'processor',
    `${count}, without AVX2`,
    'It works, several times slower. A virtual machine may hide the instructions: choose the host’s CPU type.',
  )
}

/** Bytes per byte of the checkpoint's 16-bit weights, scales included. */
const weightFactors: Readonly<Record<string, number>> = { none: 2, int8: 0.57, int4: 0.45 }
const perInstanceBytes = 300e6

/** A rough upper figure: weights of each instance in its own memory, and the runtime. */
export function estimateMemory({
  weightBytes,
  quantization,
  instances,
}: NonNullable<ClusterFacts['model']>): number {
  const small = weightBytes < 200e6
  const factor = weightFactors[quantization === 'auto' ? (small ? 'none' : 'int8') : quantization] ?? 1
  return instances * (weightBytes * factor + perInstanceBytes)
}

function judgeMemory({ memory }: MachineFacts, { model }: ClusterFacts): Finding {
  const detail = `${formatBytes(memory.availableBytes)} of ${formatBytes(memory.totalBytes)} available`
  if (memory.availableBytes < 500e6) {
    return missing('memory', detail, 'Stop other programs, or raise the limit of the container.')
  }
  if (model === null) return ok('memory', detail)
  const needed = estimateMemory(model)
  const need = `${model.instances} instance${model.instances === 1 ? '' : 's'} need about ${formatBytes(needed)}`
  if (needed <= memory.availableBytes) return ok('memory', `${detail}; ${need}`)
  return warning(
    'memory',
    `${detail}; ${need}`,
    'Fewer instances (--instances), a smaller model or quantization: int4.',
  )
}

function judgeFiles(openFiles: number): Finding {
  const detail = openFiles === Infinity ? 'no limit' : `${openFiles} open files`
  const fix = 'Raise it: `ulimit -n 65536` in the shell, LimitNOFILE=65536 in a systemd unit.'
  if (openFiles < fewestFiles) return missing('file limit', detail, fix)
  return openFiles < goodFiles
    ? warning('file limit', `${detail}: enough for some hundred clients`, fix)
    : ok('file limit', detail)
}

function judgePrograms({ programs, hasParentDeathSignal }: MachineFacts): Finding[] {
  const { ffmpeg, setpriv, taskset, prlimit } = programs
  const utilLinux = 'Debian: apt-get install util-linux'
  return [
    ffmpeg === null
      ? warning('ffmpeg', 'not found: only WAV can be read', 'Debian: apt-get install ffmpeg')
      : ok('ffmpeg', ffmpeg),
    setpriv === null || !hasParentDeathSignal
      ? warning(
          'setpriv',
          `${setpriv === null ? 'not found' : 'without --pdeathsig'}: an instance in a long computation outlives a killed supervisor for a while`,
          utilLinux,
        )
      : ok('setpriv', setpriv),
    taskset === null
      ? warning('taskset', 'not found: `cpus: exclusive` has no effect', utilLinux)
      : ok('taskset', taskset),
    prlimit === null
      ? warning('prlimit', 'not found: ffmpeg runs without limits on time and memory', utilLinux)
      : ok('prlimit', prlimit),
  ]
}

/** WebGPU takes the first device that Vulkan shows; the supervisor asks for another one through Mesa's layer. */
function judgeGpuChoice({ gpus, canChooseVulkanDevice }: MachineFacts, { model }: ClusterFacts): Finding[] {
  const isWebGpu = model?.device === 'auto' || model?.device === 'webgpu'
  if (gpus.length < 2 || !isWebGpu || canChooseVulkanDevice) return []
  return [
    warning(
      'GPU choice',
      'WebGPU would put all instances on the first GPU: Vulkan has no layer that chooses one',
      'Debian: apt-get install mesa-vulkan-drivers (its layer is for all drivers), or device: cuda.',
    ),
  ]
}

function judgeGpus({ gpus, gpuTrouble, programs }: MachineFacts, { model }: ClusterFacts): Finding {
  if (gpuTrouble !== null) {
    return warning(
      'GPU',
      `nvidia-smi: ${gpuTrouble}`,
      'Check the driver: run `nvidia-smi`. Without it all runs on the CPU.',
    )
  }
  if (gpus.length === 0)
    return ok(
      'GPU',
      programs['nvidia-smi'] === null ? 'none; all runs on the CPU' : 'none seen by nvidia-smi',
    )
  const list = gpus.map(
    ({ name, memoryBytes, freeBytes }) =>
      `${name} (${formatBytes(memoryBytes)}${freeBytes > 0 ? `, ${formatBytes(freeBytes)} free` : ''})`,
  )
  const detail = `${list.join(', ')}; driver ${gpus[0]?.driver}`
  const leastFree = Math.min(...gpus.map(({ freeBytes }) => freeBytes))
  // A driver that does not tell what is free leaves nothing to compare.
  if (!model?.gpuBytes || leastFree === 0) return ok('GPU', detail)
  // Of the fullest one; instances are spread evenly.
  const needed = Math.ceil(model.instances / gpus.length) * model.gpuBytes
  if (needed <= leastFree) return ok('GPU', `${detail}; at most ${formatBytes(needed)} of each needed`)
  return warning(
    'GPU',
    `${detail}; ${model.instances} instances need about ${formatBytes(needed)} of one: some wait until memory is free`,
    'One instance per GPU (--instances), quantization: int4, or stop what else uses it: `nvidia-smi`.',
  )
}
