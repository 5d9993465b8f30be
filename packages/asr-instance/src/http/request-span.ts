import type { Request, Response } from 'express'
import { serverSpan, type TraceSpan } from '@asr-cluster/protocol/tracing'
import type { StageTime } from '../engine/engine.js'

/** The span of a request, from here to the end of its answer; it goes on with the balancer's trace. */
export function requestSpan(req: Request, res: Response, instance: string): TraceSpan {
  const span = serverSpan(`${req.method} ${req.path}`, req.headers, {
    'http.request.method': req.method,
    'http.route': req.path,
    'asr.instance': instance,
  })
  res.once('close', () => {
    const { statusCode, writableFinished } = res
    const status = writableFinished ? statusCode : 499
    span.end({ 'http.response.status_code': status }, status >= 499 ? String(status) : undefined)
  })
  return span
}

/** Reading and decoding the sound takes as long as somebody takes it: the engine's pace is part of this span. */
export async function* traced(
  samples: AsyncIterable<Float32Array>,
  span: TraceSpan,
): AsyncGenerator<Float32Array> {
  const decoding = span.child('audio')
  let error: string | undefined = 'aborted'
  try {
    yield* samples
    error = undefined
  } finally {
    decoding.end({}, error)
  }
}

/** One span for each stage of a piece; a long recording has several of each, some at the same time. */
export function showStages(span: TraceSpan, stages: readonly StageTime[]): void {
  const nowMs = Date.now()
  for (const { stage, begun, ended } of stages) {
    span.childOf(stage, nowMs - begun * 1_000, nowMs - ended * 1_000)
  }
}
