import {
  embeddingTensor,
  headTensor,
} from '../../../packages/asr-instance/dist/engine/checkpoint/tensor-names.js'
import { dataType } from '../../../packages/asr-instance/dist/engine/compile/onnx-model.js'
import { Operators } from './sherpa-operators.mjs'

/** Added to scores of what comes later. */
const excluded = -1e4

/**
 * `decoder.onnx`, prompt and step in one: sherpa-onnx keeps a cache `[batch, max_total_len, kvHeads, headDim]` per layer,
 * of which the graph takes what lies before `cache_position`, and copies the `*_delta_*` outputs into it. Logits come out
 * for every token.
 */
export async function buildDecoder(graph, checkpoint, audioTokenId, weights) {
  const { text } = checkpoint.config
  const ops = new Operators(graph, weights)
  const { hidden } = text
  const ids = graph.input('input_ids', 'int64', ['batch', 'seq'])
  const audio = graph.input('audio_features', 'float', ['batch', 'n_audio_tokens', hidden])
  const attentionMask = graph.input('attention_mask', 'int64', ['batch', 'seq'])
  const position = graph.input('cache_position', 'int64', ['seq'])
  const embeddings = () => checkpoint.readBlocks(embeddingTensor, [text.vocab, hidden])
  const embedded = await ops.lookup('embeddings', embeddings, [text.vocab, hidden], ids)
  let x = withAudio(ops, embedded, ids, audio, audioTokenId)

  // The exports name the mask and add nothing of it: sherpa-onnx decodes one stream at a time.
  const sum = ops.node('ReduceSum', [ops.floatOf(attentionMask)], { keepdims: 0n })
  const nothing = ops.mul(sum, graph.scalar(0))
  const attention = new Attention(ops, text, position)
  for (let layer = 0; layer < text.layers; layer++) {
    const at = `thinker.model.layers.${layer}`
    const normed = await ops.rmsNorm(x, `${at}.input_layernorm.weight`, hidden, text.rmsEps)
    x = ops.add(x, await attention.attend(ops.add(normed, nothing), layer, at))
    const mlp = await ops.rmsNorm(x, `${at}.post_attention_layernorm.weight`, hidden, text.rmsEps)
    const gate = ops.silu(await ops.linear(mlp, `${at}.mlp.gate_proj`, text.ffn, hidden))
    const product = ops.mul(gate, await ops.linear(mlp, `${at}.mlp.up_proj`, text.ffn, hidden))
    x = ops.add(x, await ops.linear(product, `${at}.mlp.down_proj`, hidden, text.ffn))
  }
  x = await ops.rmsNorm(x, 'thinker.model.norm.weight', hidden, text.rmsEps)
  const head = headTensor(checkpoint).replace(/\.weight$/, '')
  graph.output(await ops.linear(x, head, text.vocab, hidden), 'logits', 'float', ['batch', 'seq', text.vocab])
  attention.finish()
}

/** Audio features take the places of their pads, in order. */
function withAudio(ops, embedded, ids, audio, audioTokenId) {
  const { graph } = ops
  const isAudio = ops.node('Equal', [ids, graph.int(audioTokenId)])
  const counted = ops.node('CumSum', [
    ops.node('Cast', [isAudio], { to: BigInt(dataType.int64) }),
    graph.int(1),
  ])
  const rank = ops.node('Max', [ops.node('Sub', [counted, graph.int(1)]), graph.int(0)])
  const last = ops.node('Max', [ops.node('Sub', [ops.length(audio, 1), graph.ints(1)]), graph.ints(0)])
  const rows = ops.node('Unsqueeze', [ops.node('Min', [rank, last]), graph.ints(-1)])
  const index = ops.node('Expand', [rows, ops.node('Shape', [embedded])])
  const features = ops.node('GatherElements', [audio, index], { axis: 1n })
  return ops.node('Where', [ops.node('Unsqueeze', [isAudio, graph.ints(-1)]), features, embedded])
}

class Attention {
  #deltas = []

  constructor(ops, text, position) {
    const { graph } = ops
    this.ops = ops
    this.text = text
    const half = text.headDim / 2
    const frequencies = Float32Array.from({ length: half }, (_, i) => text.ropeTheta ** (-i / half))
    const inputs = [ops.floatOf(position), graph.floats(frequencies, [half])]
    const angles = ops.node('Einsum', inputs, { equation: 's,d->sd' })
    const both = ops.node('Unsqueeze', [ops.concat([angles, angles], -1n), graph.ints(0, 1)])
    this.cos = ops.node('Cos', [both])
    this.sin = ops.node('Sin', [both])
    this.past = ops.slice(position, graph.ints(0), graph.ints(1), 0)
    const later = ops.node('LessOrEqual', [
      ops.node('Unsqueeze', [position, graph.ints(0)]),
      ops.node('Unsqueeze', [position, graph.ints(1)]),
    ])
    const causal = ops.node('Where', [later, graph.scalar(0), graph.scalar(excluded)])
    this.causal = ops.node('Unsqueeze', [causal, graph.ints(0, 1)])
  }

  async attend(x, layer, at) {
    const { ops, text, past } = this
    const { graph } = ops
    const { heads, kvHeads, headDim } = text
    const projected = async (part, count) => {
      const flat = await ops.linear(x, `${at}.self_attn.${part}_proj`, count * headDim, text.hidden)
      return graph.transpose(graph.reshape(flat, 0, 0, count, headDim), 0, 2, 1, 3)
    }
    const norm = (value, part) =>
      ops.rmsNorm(value, `${at}.self_attn.${part}_norm.weight`, headDim, text.rmsEps)
    const q = this.#turned(await norm(await projected('q', heads), 'q'))
    const k = this.#turned(await norm(await projected('k', kvHeads), 'k'))
    const v = await projected('v', kvHeads)
    this.#deltas.push([`key_delta_${layer}`, k], [`value_delta_${layer}`, v])

    // One row of the empty cache before the prompt, whose score is then excluded.
    const cacheLength = ops.node('Max', [ops.node('Min', [past, this.#capacity(layer)]), graph.ints(1)])
    const cached = (name) =>
      this.#repeated(graph.transpose(ops.slice(name, graph.ints(0), cacheLength, 1), 0, 2, 1, 3))
    const isEmpty = ops.floatOf(ops.node('Equal', [past, graph.ints(0)]))
    const scores = (keys) => {
      const products = ops.node('MatMul', [q, graph.transpose(keys, 0, 1, 3, 2)])
      return ops.mul(products, graph.scalar(headDim ** -0.5))
    }
    const old = ops.add(scores(cached(`cache_key_${layer}`)), ops.mul(isEmpty, graph.scalar(excluded)))
    const fresh = ops.add(scores(this.#repeated(k)), this.causal)
    const shares = ops.node('Softmax', [ops.concat([old, fresh], -1n)], { axis: -1n })
    const values = ops.concat([cached(`cache_value_${layer}`), this.#repeated(v)], 2n)
    const mixed = graph.transpose(ops.node('MatMul', [shares, values]), 0, 2, 1, 3)
    const joined = graph.reshape(mixed, 0, 0, heads * headDim)
    return ops.linear(joined, `${at}.self_attn.o_proj`, text.hidden, heads * headDim)
  }

  /** Adds the layer's inputs. */
  #capacity(layer) {
    const { ops, text } = this
    const dims = ['batch', 'max_total_len', text.kvHeads, text.headDim]
    const keys = ops.graph.input(`cache_key_${layer}`, 'float', dims)
    ops.graph.input(`cache_value_${layer}`, 'float', dims)
    return ops.length(keys, 1)
  }

  /** Key heads once for each query head. */
  #repeated(x) {
    const { ops, text } = this
    const { graph } = ops
    const group = text.heads / text.kvHeads
    const tiled = ops.node('Tile', [ops.node('Unsqueeze', [x, graph.ints(2)]), graph.ints(1, 1, group, 1, 1)])
    const dims = ops.concat([
      ops.length(x, 0),
      graph.ints(text.heads),
      ops.length(x, 2),
      graph.ints(text.headDim),
    ])
    return ops.node('Reshape', [tiled, dims])
  }

  #turned(x) {
    const { ops, text } = this
    const { graph } = ops
    const half = text.headDim / 2
    const first = ops.slice(x, graph.ints(0), graph.ints(half), 3)
    const second = ops.slice(x, graph.ints(half), graph.ints(text.headDim), 3)
    const rotated = ops.concat([ops.node('Neg', [second]), first], -1n)
    return ops.add(ops.mul(x, this.cos), ops.mul(rotated, this.sin))
  }

  finish() {
    const { ops, text } = this
    const dims = ['batch', 'seq', text.kvHeads, text.headDim]
    for (const [name, value] of this.#deltas) {
      ops.graph.output(ops.graph.transpose(value, 0, 2, 1, 3), name, 'float', dims)
    }
  }
}
