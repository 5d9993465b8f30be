import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { alignWeights, movedGraph } from './align-weights.js'
import { encodeModel, type OnnxInitializer } from './onnx-model.js'

/** As onnxruntime writes it: the weight, and what kernels packed of it, anywhere in the file. */
function external(name: string, offset: number, length: number, prepacked?: string): OnnxInitializer {
  const data = { location: 'w', offset, length, ...(prepacked && { prepacked_0: prepacked }) }
  return { name, type: 'uint8', dims: [length], data }
}

const model = encodeModel({
  name: 'g',
  nodes: [{ op: 'Add', domain: '', inputs: ['a', 'b'], outputs: ['c'], attributes: {} }],
  initializers: [
    external('a', 3, 5, 'Kernel+1|20;7;0|30;2;0'),
    { name: 'inline', type: 'uint8', dims: [1], data: Uint8Array.of(9) },
    external('b', 10, 4),
  ],
  inputs: [{ name: 'x', type: 'float', dims: ['n', 2] }],
  outputs: [{ name: 'c', type: 'uint8', dims: [5] }],
})

test('every stretch is moved to a multiple of 64, and the graph says where', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'asr-align-'))
  try {
    const [graphPath, weightsPath] = [join(dir, 'g.onnx'), join(dir, 'w')]
    const before = Uint8Array.from({ length: 40 }, (_, i) => i)
    await writeFile(graphPath, model)
    await writeFile(weightsPath, before)
    await alignWeights(graphPath, weightsPath)
    const weights = await readFile(weightsPath)
    const found: number[][] = []
    movedGraph(await readFile(graphPath), (offset, length) => {
      expect(offset % 64).toBe(0)
      found.push([...weights.subarray(offset, offset + length)])
      return offset
    })
    const stretch = (offset: number, length: number) => [...before.subarray(offset, offset + length)]
    expect(found).toEqual([stretch(3, 5), stretch(20, 7), stretch(30, 2), stretch(10, 4)])
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('a graph whose weights stay where they are is the same', () => {
  const same = movedGraph(model, (offset) => offset)
  expect(Buffer.from(movedGraph(same, (offset) => offset))).toEqual(Buffer.from(same))
  const places: number[] = []
  movedGraph(same, (offset) => (places.push(offset), offset))
  expect(places).toEqual([3, 20, 30, 10])
})
