import type { ModelConfig } from '../checkpoint/model-config.js'
import {
  encodeModel,
  type DataType,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValue,
} from './onnx-model.js'

type Text = Pick<ModelConfig['text'], 'layers' | 'kvHeads' | 'headDim'>

/** Names of the cache's tensors: keys `[rows, kvHeads, 1, headDim, span]`, values `[rows, kvHeads, 1, span, headDim]`. */
export function cacheNames({ layers }: Pick<Text, 'layers'>): { name: string; spanAxis: 3 | 4 }[] {
  return Array.from({ length: layers }, (_, layer) => [
    { name: `k.${layer}`, spanAxis: 4 as const },
    { name: `v.${layer}`, spanAxis: 3 as const },
  ]).flat()
}

/**
 * Picks rows and a stretch of the span: inputs `k.i`, `v.i`, `rows`, `from [1]`, `to [1]`, outputs `out_k.i`, `out_v.i`.
 * Graphs without weights, so that the cache is rearranged where it is.
 */
export function selectGraph(text: Text, precision: DataType): Uint8Array {
  const nodes: OnnxNode[] = []
  for (const { name, spanAxis } of cacheNames(text)) {
    nodes.push(
      node('Gather', [name, 'rows'], `picked_${name}`, { axis: 0n }),
      node('Slice', [`picked_${name}`, 'from', 'to', `axis${spanAxis}`], `out_${name}`),
    )
  }
  const indices = ['rows', 'from', 'to'].map((name) => ({ name, type: 'int64' as const, dims: ['n'] }))
  return encodeModel({
    name: 'select',
    nodes,
    initializers: [axis(3), axis(4)],
    inputs: [...tensors(text, precision, ''), ...indices],
    outputs: tensors(text, precision, 'out_'),
  })
}

/**
 * Puts the rows of two caches under each other, the span of each filled up at its beginning: inputs `a_k.i`, `b_k.i`, …,
 * `a_pads3`, `a_pads4`, `b_pads3`, `b_pads4` (ONNX pads for values and for keys), outputs `out_k.i`, `out_v.i`.
 */
export function joinGraph(text: Text, precision: DataType): Uint8Array {
  const nodes: OnnxNode[] = []
  for (const { name, spanAxis } of cacheNames(text)) {
    for (const part of ['a', 'b']) {
      nodes.push(node('Pad', [`${part}_${name}`, `${part}_pads${spanAxis}`], `padded_${part}_${name}`))
    }
    nodes.push(node('Concat', [`padded_a_${name}`, `padded_b_${name}`], `out_${name}`, { axis: 0n }))
  }
  const pads = ['a_pads3', 'a_pads4', 'b_pads3', 'b_pads4'].map((name) => ({
    name,
    type: 'int64' as const,
    dims: [10],
  }))
  return encodeModel({
    name: 'join',
    nodes,
    initializers: [],
    inputs: [...tensors(text, precision, 'a_'), ...tensors(text, precision, 'b_'), ...pads],
    outputs: tensors(text, precision, 'out_'),
  })
}

function tensors(text: Text, type: DataType, prefix: string): OnnxValue[] {
  const { kvHeads, headDim } = text
  return cacheNames(text).map(({ name, spanAxis }) => {
    const rows = `${prefix}rows`
    const span = `${prefix}span`
    const dims = spanAxis === 4 ? [rows, kvHeads, 1, headDim, span] : [rows, kvHeads, 1, span, headDim]
    return { name: `${prefix}${name}`, type, dims }
  })
}

function node(
  op: string,
  inputs: string[],
  output: string,
  attributes: OnnxNode['attributes'] = {},
): OnnxNode {
  return { op, domain: '', inputs, outputs: [output], attributes }
}

function axis(value: number): OnnxInitializer {
  const data = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
  return { name: `axis${value}`, type: 'int64', dims: [1], data }
}
