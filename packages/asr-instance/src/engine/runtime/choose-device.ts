import type { DeviceChoice } from '@asr-cluster/protocol'
import { ort } from './onnxruntime.js'
import { encodeModel } from '../compile/onnx-model.js'
import { DeviceError, deviceFailure } from './device-errors.js'
import { disableTelemetry } from './disable-telemetry.js'

export type Device = Exclude<DeviceChoice, 'auto'>
export type GpuProvider = Exclude<Device, 'cpu'>

const remedies: Record<GpuProvider, string> = {
  webgpu: "Install the GPU's Vulkan driver (vulkaninfo must list it)",
  cuda: 'Add the provider (asr-cluster doctor says how), CUDA 12 and cuDNN 9',
}

export interface DeviceQuestion {
  device: DeviceChoice
  /** The GPU that was assigned to this process, as in CUDA_VISIBLE_DEVICES. */
  assignedGpu: string | undefined
  /** Why a provider cannot compute here; null if it can. */
  probe: (provider: GpuProvider) => Promise<string | null>
}

/**
 * Where to compute, and why in a sentence for the log. `auto` decides before anything is loaded and never falls back
 * later. Throws DeviceError if what was asked for is not there.
 */
export async function chooseDevice(question: DeviceQuestion): Promise<{ device: Device; reason: string }> {
  const { device, assignedGpu } = question
  if (device === 'cpu') return { device, reason: 'as configured' }
  if (device === 'auto' && !assignedGpu) {
    return { device: 'cpu', reason: 'auto: no GPU is assigned to this instance' }
  }
  const provider = device === 'auto' ? 'webgpu' : device
  const missing = await question.probe(provider)
  if (missing === null) {
    return { device: provider, reason: device === 'auto' ? `auto: GPU ${assignedGpu}` : 'as configured' }
  }
  if (device === 'auto') {
    return { device: 'cpu', reason: `auto: GPU ${assignedGpu} cannot be used by WebGPU: ${missing}` }
  }
  if (deviceFailure(missing) === 'out-of-memory') {
    throw new DeviceError(`${provider} cannot be used: no memory is left on the device (${missing})`)
  }
  throw new DeviceError(`${provider} cannot be used: ${missing}. ${remedies[provider]}, or set device: cpu.`)
}

/** Opens the device and computes one number there. */
export async function probeProvider(provider: GpuProvider): Promise<string | null> {
  disableTelemetry()
  const graph = encodeModel({
    name: 'probe',
    nodes: [{ op: 'Add', domain: '', inputs: ['x', 'x'], outputs: ['y'], attributes: {} }],
    initializers: [],
    inputs: [{ name: 'x', type: 'float', dims: [1] }],
    outputs: [{ name: 'y', type: 'float', dims: [1] }],
  })
  try {
    const session = await ort.InferenceSession.create(graph, { executionProviders: [provider] })
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(21), [1]) })
    await session.release()
    return (y!.data as Float32Array)[0] === 42 ? null : 'it computes wrongly'
  } catch (error) {
    return shortReason(error)
  }
}

/** Messages of onnxruntime name the source line first and the reason last. */
function shortReason(error: unknown): string {
  const [line = ''] = String((error as Error).message ?? error).split('\n')
  return line.replace(/^.*was false\. /, '').trim()
}
