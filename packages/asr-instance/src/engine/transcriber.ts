import { clientClosed } from '@asr-cluster/protocol'
import type { Segment, TranscribeOptions, Transcription } from './engine.js'
import { sampleRate } from './features/log-mel.js'
import type { EngineWorker } from './runtime/engine-worker.js'
import type { CutRule } from './segment/cut-rule.js'
import { cutPieces, type Piece } from './segment/cut-pieces.js'
import { answerRoom } from './text/answer-room.js'
import { AnswerReader } from './text/answer.js'
import { separatorBetween } from './text/join.js'
import { OrderedDeltas } from './text/ordered-deltas.js'
import { buildPrompt } from './text/prompt.js'
import type { TextTokenizer } from './text/tokenizer.js'

export interface TranscriberContext {
  worker: Pick<EngineWorker, 'decode' | 'openStream' | 'closeStream'>
  tokenizer: TextTokenizer
  cutRule: CutRule
  maxNewTokens: number
  /** Of a piece: prompt, sound and answer together. */
  mostTokens: number
  /** Pieces of one recording that may be decoded at once: a long one must leave rows to the others. */
  maxPiecesAtOnce: number
}

/** Throws `invalid_request` for a prompt beside which the longest piece would have no room for its text. */
export function checkPrompt(
  { tokenizer, cutRule, mostTokens }: TranscriberContext,
  prompt: string,
  language: string | null,
): void {
  answerRoom(buildPrompt(tokenizer, prompt, language), cutRule.maxPieceSeconds * sampleRate, mostTokens)
}

interface DecodedSegment extends Segment {
  logprobs: number[]
  promptTokens: number
}

/** Cuts a recording, decodes its pieces side by side, and joins their texts in order. */
export async function transcribe(
  context: TranscriberContext,
  audio: AsyncIterable<Float32Array>,
  options: TranscribeOptions,
): Promise<Transcription> {
  let samples = 0
  const pieces = cutPieces(audio, context.cutRule, (count) => (samples += count))
  return transcribePieces(context, pieces, options, () => samples / sampleRate)
}

export interface PiecesOptions extends TranscribeOptions {
  /** The pieces are parts of a growing recording; see EngineWorker.openStream. */
  stream?: number
  /** Hears of each piece in the order of the recording, as soon as all before it are decoded. */
  onPiece?: (text: string) => void
}

/** The same for pieces that are cut already. `durationSeconds` is asked for in the end. */
export async function transcribePieces(
  context: TranscriberContext,
  pieces: AsyncIterable<Piece>,
  options: PiecesOptions,
  durationSeconds: () => number,
): Promise<Transcription> {
  const deltas = new OrderedDeltas(options.onDelta ?? (() => {}))
  // One failed piece, or the client's leaving, ends the work on all the others.
  const abort = new AbortController()
  const signal = AbortSignal.any([abort.signal, options.signal])
  const running = new Set<Promise<void>>()
  const decoded: DecodedSegment[] = []
  let failure: unknown
  let index = 0
  let told = 0
  try {
    for await (const piece of pieces) {
      if (options.signal.aborted) throw clientClosed()
      const id = index++
      const task = decodePiece(context, piece, id, { ...options, signal }, deltas)
        .then((segment) => {
          decoded[id] = segment
          for (let next = decoded[told]; next; next = decoded[++told]) options.onPiece?.(next.text)
        })
        .catch((error: unknown) => {
          failure ??= error
          abort.abort()
        })
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= context.maxPiecesAtOnce) await Promise.race(running)
      if (failure !== undefined) break
    }
  } catch (error) {
    failure ??= error
    abort.abort()
  }
  await Promise.all(running)
  if (failure !== undefined) throw failure
  return joinSegments(decoded, durationSeconds(), options.language)
}

async function decodePiece(
  { worker, tokenizer, maxNewTokens, mostTokens }: TranscriberContext,
  piece: Piece,
  id: number,
  options: PiecesOptions,
  deltas: OrderedDeltas,
): Promise<DecodedSegment> {
  const reader = new AnswerReader(tokenizer, options.language)
  const prompt = buildPrompt(tokenizer, options.prompt, options.language)
  const room = answerRoom(prompt, piece.samples.length, mostTokens)
  const request = {
    samples: piece.samples,
    ...prompt,
    maxNewTokens: Math.min(room, options.maxNewTokens ?? maxNewTokens),
    temperature: options.temperature,
    isReadAlong: options.onDelta !== undefined || options.stream !== undefined,
    ...(options.stream === undefined ? {} : { stream: options.stream }),
  }
  const { tokens, logprobs, promptTokens, stages } = await worker.decode(
    request,
    options.signal,
    (newTokens) => deltas.push(id, reader.push(newTokens)),
  )
  options.onStages?.(stages)
  const { rest, text } = reader.finish()
  deltas.push(id, rest)
  deltas.finish(id)
  const language = reader.language ?? ''
  const avgLogprob = logprobs.length ? logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length : 0
  return {
    id,
    start: piece.start,
    end: piece.end,
    text,
    language,
    tokens,
    avgLogprob,
    logprobs,
    promptTokens,
  }
}

function joinSegments(
  decoded: readonly DecodedSegment[],
  durationSeconds: number,
  forced: string | null,
): Transcription {
  let text = ''
  let promptTokens = 0
  let outputTokens = 0
  let logprobSum = 0
  const segments: Segment[] = []
  const secondsOf = new Map<string, number>()
  for (const { logprobs, promptTokens: prompt, ...segment } of decoded) {
    promptTokens += prompt
    outputTokens += segment.tokens.length
    logprobSum += logprobs.reduce((sum, value) => sum + value, 0)
    if (segment.text === '') continue
    text += separatorBetween(text, segment.text) + segment.text
    secondsOf.set(segment.language, (secondsOf.get(segment.language) ?? 0) + segment.end - segment.start)
    segments.push({ ...segment, id: segments.length })
  }
  const [mostSpoken] = [...secondsOf].sort((a, b) => b[1] - a[1])
  return {
    text,
    language: forced ?? mostSpoken?.[0] ?? '',
    durationSeconds,
    segments,
    promptTokens,
    outputTokens,
    confidence: text === '' ? null : Math.exp(logprobSum / Math.max(1, outputTokens)),
  }
}
