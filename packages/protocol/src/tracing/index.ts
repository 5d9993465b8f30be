export { isTracing, noSpan, serverSpan } from './tracing.js'
export type { SpanAttributes, TraceSpan } from './tracing.js'
