import { expect, it } from 'vitest'
import { encodeModel } from '../compile/onnx-model.js'
import { ort } from './onnxruntime.js'

it('passes float16 as bits to the native library and back, on every Node', async () => {
  const value = (name: string) => ({ name, type: 'float16' as const, dims: [3] })
  const identity = encodeModel({
    name: 'identity',
    nodes: [{ op: 'Identity', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} }],
    initializers: [],
    inputs: [value('x')],
    outputs: [value('y')],
  })
  const session = await ort.InferenceSession.create(identity)
  // 1, -2, 65504
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff)
  const { y } = await session.run({ x: new ort.Tensor('float16', bits, [3]) })
  expect(y?.type).toBe('float16')
  expect(y?.data).toEqual(bits)
  await session.release()
})

it('leaves Float16Array to everybody else', () => {
  const major = Number(process.versions.node.split('.')[0])
  expect('Float16Array' in globalThis).toBe(major >= 24)
})
