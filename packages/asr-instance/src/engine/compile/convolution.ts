import type { GraphBuilder } from './graph-builder.js'
import { geluLowest, integerProduct, quantizeRows } from './integer-product.js'
import type { LinearFormat } from './linear.js'
import { ColumnQuantizer } from './quantize.js'
import { TransposedMatrix } from './transposed-matrix.js'

export interface ImageSize {
  height: number
  width: number
}

export interface Convolution extends ImageSize {
  /** Names the checkpoint's tensors `name.weight [outChannels, inChannels, 3, 3]` and `name.bias`. */
  name: string
  inChannels: number
  outChannels: number
}

/** Size after a 3×3 convolution of stride 2 with one place of padding on each side. */
export function convolvedSize({ height, width }: ImageSize): ImageSize {
  return { height: Math.ceil(height / 2), width: Math.ceil(width / 2) }
}

/**
 * 3×3, stride 2, padding 1: `[images, height, width, inChannels]`, without the last dimension for one channel, to
 * `[images, height / 2, width / 2, outChannels]`.
 */
export async function addConvolution(
  graph: GraphBuilder,
  x: string,
  options: Convolution,
  format: LinearFormat,
): Promise<string> {
  const { name, inChannels, outChannels } = options
  // One channel is little work, and its sound is the most worth keeping exact.
  if (format === 'int8')
    return inChannels === 1 ? soundConvolution(graph, x, options) : integerConvolution(graph, x, options)
  const kernel = await graph.weight(`${name}.weight`, [outChannels, inChannels, 3, 3])
  const bias = await graph.weight(`${name}.bias`, [outChannels])
  const attributes = { kernel_shape: [3n, 3n], strides: [2n, 2n], pads: [1n, 1n, 1n, 1n] }
  const channelsFirst =
    inChannels === 1 ? graph.node('Unsqueeze', [x, graph.ints(1)]) : graph.transpose(x, 0, 3, 1, 2)
  return graph.transpose(graph.node('Conv', [channelsFirst, kernel, bias], attributes), 0, 2, 3, 1)
}

/**
 * Of one channel, in float32: the nine inputs of every place and a one, times the kernel and the bias. `Conv` takes twice
 * as long, most of it to bring the channels behind the places.
 */
async function soundConvolution(graph: GraphBuilder, x: string, options: Convolution): Promise<string> {
  const { name, outChannels, height, width } = options
  const places = (height + 2) * (width + 2)
  const padded = graph.node('Pad', [x, graph.ints(0, 1, 1, 0, 1, 1), graph.scalar(0)])
  const withOne = graph.node('Pad', [
    graph.reshape(padded, 0, places),
    graph.ints(0, 0, 0, 1),
    graph.scalar(1),
  ])
  const size = convolvedSize(options)
  const rows = patchRows(options, size)
  const inputs = rows.flatMap((row, i) => (i % 9 === 8 ? [row, places] : [row]))
  const patches = graph.node('Gather', [withOne, graph.ints(...inputs)], { axis: 1n })
  const kernel = await graph.checkpoint.read(`${name}.weight`, [outChannels, 1, 3, 3])
  const bias = await graph.checkpoint.read(`${name}.bias`, [outChannels])
  const weights = new Float32Array(10 * outChannels)
  new TransposedMatrix(weights, outChannels, 9).append(kernel)
  weights.set(bias, 9 * outChannels)
  return graph.node('MatMul', [
    graph.reshape(patches, 0, size.height, size.width, 10),
    graph.floats(weights, [10, outChannels]),
  ])
}

/**
 * The nine inputs of every output place are gathered side by side, so that the convolution is one product of integers:
 * more than twice as fast as `Conv` in float32, and ten times as fast as `ConvInteger`, which packs its patches
 * anew in every tile. Every image has a scale of its own, so that images stay independent of each other.
 */
async function integerConvolution(graph: GraphBuilder, x: string, options: Convolution): Promise<string> {
  const { name, inChannels, outChannels, height, width } = options
  // A processor gets them one by one; every input but the sound itself comes out of a GELU.
  const images = { group: 'images', lowest: geluLowest, count: 1 }
  const { values, scale } = quantizeRows(graph, graph.reshape(x, 0, -1), images)
  // Zeros are 128 in this form.
  const padded = graph.node('Pad', [
    graph.reshape(values, 0, height, width, inChannels),
    graph.ints(0, 1, 1, 0, 0, 1, 1, 0),
    graph.uint8(128),
  ])
  const rows = graph.reshape(padded, 0, (height + 2) * (width + 2), inChannels)
  const size = convolvedSize(options)
  const patches = graph.node('Gather', [rows, graph.ints(...patchRows(options, size))], { axis: 1n })
  const flat = graph.reshape(patches, 0, size.height, size.width, 9 * inChannels)
  const weights = new ColumnQuantizer(outChannels, 9 * inChannels)
  weights.append(
    placesFirst(await graph.checkpoint.read(`${name}.weight`, [outChannels, inChannels, 3, 3]), inChannels),
  )
  const product = await integerProduct(graph, flat, name, weights)
  const scaled = graph.node('Mul', [product, graph.reshape(scale, 0, 1, 1, 1)])
  return graph.node('Add', [scaled, await graph.weight(`${name}.bias`, [outChannels])])
}

/** For each output place the rows of the padded image under its kernel. */
function patchRows({ width }: ImageSize, output: ImageSize): number[] {
  const rows: number[] = []
  for (let top = 0; top < 2 * output.height; top += 2) {
    for (let left = 0; left < 2 * output.width; left += 2) {
      for (let place = 0; place < 9; place++) {
        rows.push((top + Math.floor(place / 3)) * (width + 2) + left + (place % 3))
      }
    }
  }
  return rows
}

/** `[outChannels, channels, 9]` to `[outChannels, 9, channels]`. */
function placesFirst(kernel: Float32Array, channels: number): Float32Array {
  const out = new Float32Array(kernel.length)
  for (let i = 0; i < kernel.length; i++) {
    const place = i % 9
    const channel = Math.floor(i / 9) % channels
    const first = i - (i % (9 * channels))
    out[first + place * channels + channel] = kernel[i]!
  }
  return out
}
