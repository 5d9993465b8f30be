import { Tensor } from 'onnxruntime-node'

/** The only door to onnxruntime: behind it float16 tensors hold their bits, a `Uint16Array`, on every Node. */
export * as ort from 'onnxruntime-node'

keepHalvesAsBits()

/**
 * Where there is a `Float16Array` (Node 24 and up) the library makes one of the bits, whose length its native half then
 * reads as 0 and refuses (microsoft/onnxruntime#32323). It looks for that class once, when the first tensor is made.
 */
function keepHalvesAsBits(): void {
  const float16Array = Object.getOwnPropertyDescriptor(globalThis, 'Float16Array')
  if (!float16Array) return
  Reflect.deleteProperty(globalThis, 'Float16Array')
  try {
    void new Tensor('float16', new Uint16Array(1), [1])
  } finally {
    Object.defineProperty(globalThis, 'Float16Array', float16Array)
  }
}
