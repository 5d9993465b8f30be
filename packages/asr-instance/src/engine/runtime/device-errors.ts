/**
 * What a message of onnxruntime says of the device. It has no codes for these: the texts are those of its allocators, of
 * WebGPU and of Vulkan.
 */
export type DeviceFailure = 'lost' | 'out-of-memory'

export function deviceFailure(error: unknown): DeviceFailure | undefined {
  const text = String(error)
  if (/device\b.{0,20}\blost|DEVICE_LOST/i.test(text)) return 'lost'
  if (/out[ _]of[ _](?:device[ _])?memory|OOM\b|failed to allocate|bad_alloc/i.test(text)) {
    return 'out-of-memory'
  }
  return undefined
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
