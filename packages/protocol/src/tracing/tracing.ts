import type * as otelApi from '@opentelemetry/api'
import type { Context, Span, SpanKind, Tracer } from '@opentelemetry/api'

type Api = typeof otelApi

/** What happened in it: closed sets and numbers, no text of a client. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

/** One span of a trace, or nothing at all when nobody traces. */
export interface TraceSpan {
  /** Begins now; ended with `end`. */
  child(name: string, kind?: 'client' | 'internal', attributes?: SpanAttributes): TraceSpan
  /** A child that is over already; times in milliseconds since 1970. */
  childOf(name: string, startMs: number, endMs: number, attributes?: SpanAttributes): void
  /** Headers by which whoever gets them goes on with this trace (W3C: `traceparent`, `tracestate`). */
  headers(): Record<string, string>
  /** `error` names what went wrong, for example a code of the catalogue. More calls do nothing. */
  end(attributes?: SpanAttributes, error?: string): void
}

/** The empty one. */
export const noSpan: TraceSpan = {
  child: () => noSpan,
  childOf() {},
  headers: () => ({}),
  end() {},
}

/**
 * Tracing is optional: without `@opentelemetry/api`, or when no SDK was registered before the program began (`node
 * --import`), every span is the same empty one and costs nothing.
 */
const api: Api | null = await import('@opentelemetry/api').catch(() => null)
const tracer = findTracer(api)

/** Whether anybody wants spans; decided once, at the start. */
export const isTracing = tracer !== null

function findTracer(found: Api | null): Tracer | null {
  if (found === null) return null
  const provider = found.trace.getTracerProvider()
  const isRegistered = !(
    provider instanceof found.ProxyTracerProvider && provider.getDelegateTracer('asr-cluster') === undefined
  )
  return isRegistered ? found.trace.getTracer('asr-cluster') : null
}

/** The span of a request that came in; it goes on with the trace that the request's headers name, or begins one. */
export function serverSpan(
  name: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  attributes: SpanAttributes = {},
): TraceSpan {
  if (api === null || tracer === null) return noSpan
  const parent = api.propagation.extract(api.ROOT_CONTEXT, headers)
  return begin(api, tracer, name, api.SpanKind.SERVER, parent, attributes)
}

function begin(
  otel: Api,
  by: Tracer,
  name: string,
  kind: SpanKind,
  parent: Context,
  attributes: SpanAttributes,
): TraceSpan {
  const span = by.startSpan(name, { kind, attributes: known(attributes) }, parent)
  return wrap(otel, by, span, otel.trace.setSpan(parent, span))
}

function wrap(otel: Api, by: Tracer, span: Span, context: Context): TraceSpan {
  let isOver = false
  return {
    child: (name, kind = 'internal', attributes = {}) =>
      begin(
        otel,
        by,
        name,
        kind === 'client' ? otel.SpanKind.CLIENT : otel.SpanKind.INTERNAL,
        context,
        attributes,
      ),
    childOf(name, startMs, endMs, attributes = {}) {
      by.startSpan(name, { startTime: startMs, attributes: known(attributes) }, context).end(endMs)
    },
    headers() {
      const carrier: Record<string, string> = {}
      otel.propagation.inject(context, carrier)
      return carrier
    },
    end(attributes = {}, error) {
      if (isOver) return
      isOver = true
      span.setAttributes(known(attributes))
      if (error !== undefined) {
        span.setAttribute('error.type', error)
        span.setStatus({ code: otel.SpanStatusCode.ERROR })
      }
      span.end()
    },
  }
}

function known(attributes: SpanAttributes): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      (pair): pair is [string, string | number | boolean] => pair[1] !== undefined,
    ),
  )
}
