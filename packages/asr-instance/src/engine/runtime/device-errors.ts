/**
 * What a message of onnxruntime says of the device. It has no codes for these: the texts are those of its allocators, of
 * WebGPU and of Vulkan.
 */
export type DeviceFailure = 'lost' | 'out-of-memory' | 'no-float16' | 'no-attention'

export function deviceFailure(error: unknown): DeviceFailure | undefined {
  const text = String(error)
  if (/device\b.{0,20}\blost|DEVICE_LOST/i.test(text)) return 'lost'
  // WebGPU hands out a buffer that it could not allocate, and complains of it when it is used.
  if (/out[ _]of[ _](?:device[ _])?memory|OOM\b|failed to allocate|bad_alloc|Invalid Buffer/i.test(text)) {
    return 'out-of-memory'
  }
  if (/requires f16/i.test(text)) return 'no-float16'
  if (/supported by FlashAttention|more workgroup storage/i.test(text)) return 'no-attention'
  return undefined
}

/** What an operator can do about it. */
export const deviceAdvice: Record<DeviceFailure, string> = {
  lost: 'the device was lost',
  'out-of-memory': 'the model does not fit on the device: use int4, fewer slots or a larger GPU',
  'no-float16': 'the device has no 16-bit floating point: use quantization none',
  'no-attention': 'the device lacks what the attention in pages needs (subgroups): use quantization none',
}

/** The device does not work, or no longer: the process ends with an exit code of its own. */
export class DeviceError extends Error {
  override name = 'DeviceError'
  /** A computation never came back: only a kill ends the thread that waits for it. */
  readonly hung: boolean

  constructor(message: string, hung = false) {
    super(message)
    this.hung = hung
  }
}
