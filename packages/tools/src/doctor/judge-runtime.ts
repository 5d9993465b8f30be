import type { MachineFacts, RuntimeFacts } from './facts.js'
import { missing, ok, warning, type Finding } from './finding.js'

/** onnxruntime, and by what it computes. */
export function judgeRuntime(runtime: RuntimeFacts, { gpus, platform, arch }: MachineFacts): Finding[] {
  if (runtime.error !== null) {
    const fix =
      'Install again: `npm ci`. The binding exists for Linux, macOS and Windows on x64 and arm64, with glibc.'
    return [missing('onnxruntime', `cannot be loaded: ${runtime.error}`, fix)]
  }
  return [
    ok('onnxruntime', `${runtime.version ?? 'version unknown'}, providers: ${runtime.providers.join(', ')}`),
    judgeWebGpu(runtime, gpus.length > 0),
    judgeCuda(runtime, { hasGpu: gpus.length > 0, isSupported: platform === 'linux' && arch === 'x64' }),
  ]
}

/** What instances use on a GPU unless they are told otherwise. */
function judgeWebGpu({ webGpuTrouble }: RuntimeFacts, hasGpu: boolean): Finding {
  if (webGpuTrouble === null) return ok('WebGPU', 'computes')
  if (!hasGpu) return ok('WebGPU', 'no device, and no GPU')
  return warning(
    'WebGPU',
    `the GPU cannot be used: ${webGpuTrouble}`,
    'Install its Vulkan driver (in a container: the capability `graphics`); vulkaninfo --summary must list it.',
  )
}

function judgeCuda(
  { cuda, installScript, webGpuTrouble }: RuntimeFacts,
  { hasGpu, isSupported }: { hasGpu: boolean; isSupported: boolean },
): Finding {
  const name = 'CUDA provider'
  const fix = `Add it: ONNXRUNTIME_NODE_INSTALL=cuda12 node ${installScript} (some hundred MB from nuget.org)`
  if (!cuda.isInstalled) {
    if (!hasGpu) return ok(name, 'not installed, and no GPU to use it')
    if (!isSupported) return ok(name, 'not offered for this system')
    // Only where nothing else uses the GPU is it missed.
    if (webGpuTrouble === null) return ok(name, 'not installed; WebGPU is used')
    return warning(name, 'not installed: `device: cuda` is not possible', fix)
  }
  if (cuda.missingLibraries.length === 0) return ok(name, 'installed')
  return warning(
    name,
    `installed, but the system lacks ${cuda.missingLibraries.join(', ')}`,
    'Install CUDA 12 and cuDNN 9 from NVIDIA, and let the loader find them (ldconfig or LD_LIBRARY_PATH).',
  )
}
