import { ort } from './onnxruntime.js'
import { chooseExactly } from './exact-choice.js'
import type { DecoderOutput, SequenceCache } from './sequence-cache.js'

/** Far below any score, and still a number in float16. */
export const masked = -60_000

export interface DecoderStep {
  cache: SequenceCache
  /** `[rows, tokens, hidden]` */
  embeds: Float32Array
  tokens: number
  /** Columns of the past that the decoder is given. */
  span: number
  /** The first column that a row uses of them: its tokens stand there one after the other. */
  firstColumn: (row: number) => number
}

/** The inputs of a decoder graph, but for the keys and values of the past. */
export function decoderFeeds({
  cache,
  embeds,
  tokens,
  span,
  firstColumn,
}: DecoderStep): Record<string, ort.Tensor> {
  const { rows } = cache
  const all = span + tokens
  const positions = new BigInt64Array(rows * tokens)
  const mask = new Float32Array(rows * tokens * all)
  for (let row = 0, at = 0; row < rows; row++) {
    const past = cache.length(row)
    const first = firstColumn(row)
    for (let token = 0; token < tokens; token++, at++) {
      positions[at] = BigInt(past + token)
      const line = at * all
      mask.fill(masked, line, line + first)
      mask.fill(masked, line + first + past, line + span)
      mask.fill(masked, line + span + token + 1, line + all)
    }
  }
  return {
    embeds: new ort.Tensor('float32', embeds, [rows, tokens, embeds.length / (rows * tokens)]),
    positions: new ort.Tensor('int64', positions, [rows, tokens]),
    mask: new ort.Tensor('float32', mask, [rows, 1, 1, tokens, all]),
    last: new ort.Tensor('int64', new BigInt64Array(rows).fill(BigInt(tokens - 1)), [rows, 1]),
  }
}

/** Outputs to ask for beside keys and values. `hasCandidates`: of a graph whose head only names candidates. */
export function answerNames(wantLogits: boolean, hasCandidates = false): string[] {
  const choice = hasCandidates ? ['candidates', 'score', 'state'] : ['token']
  return [...choice, 'logprob', ...(wantLogits ? ['logits'] : [])]
}

/** Chooses among each row's candidates by the weights of the head, of which `row` gives a token's. */
export function chooseAmong(
  outputs: ort.InferenceSession.OnnxValueMapType,
  row: (token: number) => Float32Array,
): DecoderOutput {
  const read = <T>(name: string) => outputs[name]?.data as T
  const [ids, scores] = [read<BigInt64Array>('candidates'), read<Float32Array>('score')]
  const [logprobs, states] = [read<Float32Array>('logprob'), read<Float32Array>('state')]
  const logits = read<Float32Array | undefined>('logits')
  const batch = logprobs.length
  const of = <T extends Float32Array | BigInt64Array>(values: T, index: number) => {
    const width = values.length / batch
    return values.subarray(index * width, (index + 1) * width) as T
  }
  const answer: DecoderOutput = { tokens: [], logprobs: [], logits }
  for (let index = 0; index < batch; index++) {
    const candidates = Array.from(of(ids, index), Number)
    const choice = chooseExactly(
      { ids: candidates, scores: of(scores, index), logprob: logprobs[index]!, state: of(states, index) },
      row,
    )
    answer.tokens.push(choice.token)
    answer.logprobs.push(choice.logprob)
    if (logits) for (const [i, id] of candidates.entries()) of(logits, index)[id] = choice.logits[i]!
  }
  return answer
}

export function readAnswer(outputs: ort.InferenceSession.OnnxValueMapType): DecoderOutput {
  return {
    tokens: Array.from(outputs['token']!.data as BigInt64Array, Number),
    logprobs: Array.from(outputs['logprob']!.data as Float32Array),
    logits: outputs['logits']?.data as Float32Array | undefined,
  }
}
