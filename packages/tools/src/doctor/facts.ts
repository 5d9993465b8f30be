/** What the doctor looks at; read once, then judged by pure functions. */
export interface Facts {
  machine: MachineFacts
  runtime: RuntimeFacts
  cluster: ClusterFacts
}

export interface MachineFacts {
  nodeVersion: string
  platform: string
  arch: string
  cores: number
  /** Of the first core; empty where the system does not tell. */
  cpuFlags: readonly string[]
  memory: { totalBytes: number; availableBytes: number }
  /** Limit of open files of this process; Infinity for none. */
  openFiles: number
  /** Where each helper program was found; null if nowhere. */
  programs: Readonly<Record<HelperProgram, string | null>>
  /** `setpriv` can send the parent-death signal; BusyBox's cannot. */
  hasParentDeathSignal: boolean
  gpus: readonly GpuFact[]
  /** What `nvidia-smi` said instead of a list; null without it or when it is well. */
  gpuTrouble: string | null
  /** Vulkan can be told which of several GPUs comes first: Mesa's layer is there. */
  canChooseVulkanDevice: boolean
}

export type HelperProgram = 'ffmpeg' | 'setpriv' | 'taskset' | 'prlimit' | 'nvidia-smi'
export const helperPrograms: readonly HelperProgram[] = [
  'ffmpeg',
  'setpriv',
  'taskset',
  'prlimit',
  'nvidia-smi',
]

export interface GpuFact {
  name: string
  /** 0 where the driver does not tell, as for `freeBytes`. */
  memoryBytes: number
  freeBytes: number
  driver: string
}

export interface RuntimeFacts {
  /** Why onnxruntime cannot be loaded; null if it can. */
  error: string | null
  version: string | null
  /** Compiled into the binding. */
  providers: readonly string[]
  /** Why WebGPU does not compute here; null if it does. */
  webGpuTrouble: string | null
  /** State of the CUDA provider's own library. */
  cuda: { isInstalled: boolean; missingLibraries: readonly string[] }
  /** Script that fetches what npm does not carry. */
  installScript: string
}

/** What `asr-cluster up` would need here. */
export interface ClusterFacts {
  /** Problems of the configuration, as `file:line:column: what`. */
  configProblems: readonly string[]
  /** Of the first group; null where the configuration is bad. */
  model: {
    dir: string
    weightBytes: number
    quantization: string
    device: string
    instances: number
    /** What one may take on its GPU; null where nobody knows or none is wanted. */
    gpuBytes: number | null
  } | null
  ports: readonly PortFact[]
  folders: readonly FolderFact[]
}

export interface PortFact {
  port: number
  purpose: 'balancer' | 'instance'
  /** Who has it; null if it is free. */
  holder: string | null
  /** The holder is a cluster of ours. */
  isOurs: boolean
}

export interface FolderFact {
  purpose: string
  path: string
  freeBytes: number
  /** Why it cannot be written; null if it can. */
  trouble: string | null
}
