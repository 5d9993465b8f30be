/** Precisions of a compiled model, the exact one first. Which a device has is the compiler's matter. */
export const quantizations = ['none', 'fp16', 'int8', 'int4'] as const
export type Quantization = (typeof quantizations)[number]

/** Where an instance may be told to compute. */
export const deviceChoices = ['auto', 'cpu', 'webgpu', 'cuda'] as const
export type DeviceChoice = (typeof deviceChoices)[number]
