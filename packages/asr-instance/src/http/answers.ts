import { deflateSync } from 'node:zlib'
import { z } from 'zod'
import type { Segment, Transcription } from '../engine/engine.js'

const seconds = z.number().min(0)
const confidence = z
  .number()
  .nullable()
  .describe('Geometric mean of the probabilities of the chosen tokens, 0 to 1; null where there is no text.')

/** Answer of `POST /asr`. */
export const asrAnswer = z.object({
  text: z.string(),
  language: z.string().describe('English name, detected or as asked for; empty where the model named none.'),
  status: z.literal('success'),
  duration: seconds.describe('Seconds of sound.'),
  confidence,
  request_id: z.string(),
})

const tokenUsage = z.object({
  type: z.literal('tokens'),
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
})

const warnings = z.array(z.string()).describe('Fields of the request that had no effect.')

const segmentAnswer = z.object({
  id: z.int(),
  seek: z.int().describe('Start in frames of 10 ms.'),
  start: seconds,
  end: seconds,
  text: z.string(),
  language: z.string(),
  tokens: z.array(z.int()),
  temperature: z.number(),
  avg_logprob: z.number(),
  compression_ratio: z.number(),
  no_speech_prob: z.literal(0).describe('Always 0: the model has no such output.'),
})

const briefSegment = segmentAnswer.pick({ id: true, start: true, end: true, text: true })

/** Answer for `response_format=json`. */
export const jsonAnswer = z.object({
  text: z.string(),
  usage: tokenUsage,
  language: z.string().describe('English name in lower case.'),
  duration: seconds,
  segments: z.array(briefSegment),
  confidence,
  warnings: warnings.optional(),
})

/** Answer for `response_format=verbose_json`. */
export const verboseAnswer = z.object({
  task: z.literal('transcribe'),
  language: z.string().describe('English name in lower case.'),
  duration: seconds,
  text: z.string(),
  segments: z.array(segmentAnswer),
  usage: z.object({ type: z.literal('duration'), seconds: z.int() }),
  confidence,
  warnings,
})

/** Events of `stream=true`. */
export const deltaEvent = z.object({ type: z.literal('transcript.text.delta'), delta: z.string() })
export const doneEvent = jsonAnswer.extend({ type: z.literal('transcript.text.done') })

export function toAsr(result: Transcription, requestId: string): z.input<typeof asrAnswer> {
  return {
    text: result.text,
    language: result.language,
    status: 'success',
    duration: milliseconds(result.durationSeconds),
    confidence: result.confidence,
    request_id: requestId,
  }
}

export function toJson(result: Transcription, warningList: readonly string[]): z.input<typeof jsonAnswer> {
  return {
    text: result.text,
    usage: usageOf(result),
    language: result.language.toLowerCase(),
    duration: milliseconds(result.durationSeconds),
    segments: result.segments.map(toBriefSegment),
    confidence: result.confidence,
    ...(warningList.length === 0 ? {} : { warnings: [...warningList] }),
  }
}

export function toVerbose(
  result: Transcription,
  temperature: number,
  warningList: readonly string[],
): z.input<typeof verboseAnswer> {
  return {
    task: 'transcribe',
    language: result.language.toLowerCase(),
    duration: milliseconds(result.durationSeconds),
    text: result.text,
    segments: result.segments.map((segment) => toSegment(segment, temperature)),
    usage: { type: 'duration', seconds: Math.ceil(result.durationSeconds) },
    confidence: result.confidence,
    warnings: [...warningList],
  }
}

export function toDone(result: Transcription, warningList: readonly string[]): z.input<typeof doneEvent> {
  return { type: 'transcript.text.done', ...toJson(result, warningList) }
}

export function usageOf({ promptTokens, outputTokens }: Transcription): z.input<typeof tokenUsage> {
  return {
    type: 'tokens',
    input_tokens: promptTokens,
    output_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
  }
}

function toSegment(segment: Segment, temperature: number): z.input<typeof segmentAnswer> {
  const bytes = Buffer.from(segment.text)
  return {
    id: segment.id,
    seek: Math.round(segment.start * 100),
    start: milliseconds(segment.start),
    end: milliseconds(segment.end),
    text: segment.text,
    language: segment.language.toLowerCase(),
    tokens: segment.tokens,
    temperature,
    avg_logprob: segment.avgLogprob,
    compression_ratio: bytes.length / deflateSync(bytes).length,
    no_speech_prob: 0,
  }
}

function toBriefSegment({ id, start, end, text }: Segment): z.input<typeof briefSegment> {
  return { id, start: milliseconds(start), end: milliseconds(end), text }
}

/** To the millisecond: more digits would only pretend. */
function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000
}
