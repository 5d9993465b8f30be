import type { AttentionText } from './cached-attention.js'
import { encodeModel, type OnnxNode, type OnnxValue } from './onnx-model.js'

/** Of keys and values in pages: the attention is written for no other. */
export const pagePrecision = 'float16' as const

/** Tokens of a page: short, because the last page of a row is half empty, and a decode step reads whole ones. */
export const pageTokens = 16

/** Of a page in one layer: `[tokens, kvHeads, headDim]`. */
export function pageDims({ kvHeads, headDim }: AttentionText): number[] {
  return [pageTokens, kvHeads, headDim]
}

/** More pages: inputs `pages [n, …]` and `more [4]`, the dimensions of the empty ones; output `grown`. */
export function growGraph(text: AttentionText): Uint8Array {
  const zero = { name: 'zero', type: pagePrecision, dims: [1], data: new Uint8Array(2) }
  return encodeModel({
    name: 'grow',
    nodes: [
      node('Expand', ['zero', 'more'], ['empty']),
      node('Concat', ['pages', 'empty'], ['grown'], { axis: 0n }),
    ],
    initializers: [zero],
    inputs: [pagesInput('pages', text), { name: 'more', type: 'int64', dims: [4] }],
    outputs: [pagesInput('grown', text)],
  })
}

/**
 * Copies pages of one layer where they are: inputs `keys`, `values`, `from [n]`, `to [n, 1]`, `begins [n + 1]`, `past [n]`
 * (zeros) and `longest [2]`. Only the attention can write into them, so each page is read as the tokens of a row that has the
 * other page. `done` is of no meaning.
 */
export function copyGraph(text: AttentionText): Uint8Array {
  const { kvHeads, headDim } = text
  const shape = new Uint8Array(BigInt64Array.of(-1n, BigInt(kvHeads * headDim)).buffer)
  const rows = (name: string): OnnxNode[] => [
    node('Gather', [name, 'from'], [`${name}_read`], { axis: 0n }),
    node('Reshape', [`${name}_read`, 'token_rows'], [`${name}_rows`]),
  ]
  const integers = (name: string, ...dims: (number | string)[]): OnnxValue => ({ name, type: 'int32', dims })
  const inputs = ['keys_rows', 'keys_rows', 'values_rows', 'keys', 'values', 'begins', 'past', 'to']
  const attention: OnnxNode = {
    op: 'PagedAttention',
    domain: 'com.microsoft',
    inputs: [...inputs, ...unused, 'longest'],
    outputs: ['done'],
    attributes: { num_heads: BigInt(kvHeads), kv_num_heads: BigInt(kvHeads) },
  }
  return encodeModel({
    name: 'copy',
    nodes: [...rows('keys'), ...rows('values'), attention],
    initializers: [{ name: 'token_rows', type: 'int64', dims: [2], data: shape }],
    inputs: [
      pagesInput('keys', text),
      pagesInput('values', text),
      integers('from', 'n'),
      integers('to', 'n', 1),
      integers('begins', 'ends'),
      integers('past', 'n'),
      integers('longest', 2),
    ],
    outputs: [{ name: 'done', type: pagePrecision, dims: ['tokens', kvHeads * headDim] }],
  })
}

/** Inputs of the attention for what is not done here. */
const unused = Array.from({ length: 8 }, () => '')

function pagesInput(name: string, text: AttentionText): OnnxValue {
  return { name, type: pagePrecision, dims: ['pages', ...pageDims(text)] }
}

function node(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode {
  return { op, domain: '', inputs, outputs, attributes }
}
