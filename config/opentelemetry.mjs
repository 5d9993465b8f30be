// Traces of the cluster, for any collector that takes OTLP over HTTP. Needs packages that asr-cluster does not bring:
//   npm install @opentelemetry/api@1.9 @opentelemetry/{core,resources,sdk-trace-base}@2 @opentelemetry/exporter-trace-otlp-http@0.223
// NODE_OPTIONS="--import $PWD/config/opentelemetry.mjs" npx asr-cluster up
// The environment is OpenTelemetry's own: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER_ARG.
import { basename } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { propagation, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'

const { env } = process
const program = basename(process.argv[1] ?? '', '.js')

// Every process of the cluster loads this file, but only these two answer requests.
if (isMainThread && ['asr-balancer', 'asr-instance'].includes(program)) {
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1)
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': env.OTEL_SERVICE_NAME ?? program,
      'service.namespace': 'asr-cluster',
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1_000 })],
  })
  trace.setGlobalTracerProvider(provider)
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
}
