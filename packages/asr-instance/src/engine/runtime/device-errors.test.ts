import { expect, test } from 'vitest'
import { deviceAdvice, deviceFailure } from './device-errors.js'

// As onnxruntime, WebGPU and Vulkan word them.
test.each([
  ['WebGPU device lost (2): A valid external Instance reference no longer exists.', 'lost'],
  ['vkQueueSubmit failed with VK_ERROR_DEVICE_LOST', 'lost'],
  ['vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY', 'out-of-memory'],
  ['[Invalid Buffer (unlabeled)] is invalid.', 'out-of-memory'],
  ['Program Cast requires f16 but the device does not support it.', 'no-float16'],
  ['PagedAttention (WebGPU): input configuration is not supported by FlashAttention.', 'no-attention'],
  ['FlashAttention requires more workgroup storage than the device supports.', 'no-attention'],
  ['Invalid rank for input: embeds', undefined],
])('%s', (message, failure) => {
  expect(deviceFailure(new Error(message))).toBe(failure)
  if (failure) expect(deviceAdvice[failure as keyof typeof deviceAdvice]).toBeTruthy()
})
