import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { sendClip, spokenClips } from '../cluster/clients.ts'
import { fixtures, repositoryRoot, startCluster, waitFor } from '../harness/index.js'

interface Attribute {
  key: string
  value: { stringValue?: string; intValue?: number }
}

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: Attribute[]
}

interface OtlpBody {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[]
}

type SeenSpan = OtlpSpan & { service: string }

/** What a collector gets: OTLP over HTTP, as JSON. */
async function startCollector(): Promise<{ url: string; spans: SeenSpan[] }> {
  const spans: SeenSpan[] = []
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      for (const { resource, scopeSpans } of (body as OtlpBody).resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
        for (const scope of scopeSpans) spans.push(...scope.spans.map((span) => ({ ...span, service })))
      }
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

const register = `${repositoryRoot}config/opentelemetry.mjs`
const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'

test('one trace from the client through the balancer into the stages of the engine', async () => {
  const collector = await startCollector()
  const [clip] = await spokenClips()
  await using cluster = await startCluster({
    config: { groups: [{ instances: 1 }] },
    env: { NODE_OPTIONS: `--import ${register}`, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  })
  const form = new FormData()
  form.set('audio', new Blob([clip!.bytes]), 'a.wav')
  const headers = { traceparent: `00-${traceId}-${parentId}-01` }
  const answer = await fetch(`${cluster.url}/asr`, { method: 'POST', body: form, headers })
  expect(answer.status).toBe(200)
  const spans = await waitFor(
    () => {
      const mine = collector.spans.filter((span) => span.traceId === traceId)
      return mine.some(({ service }) => service === 'asr-balancer') && mine.length >= 9 ? mine : null
    },
    {
      what: 'the spans of the request',
      context: () => JSON.stringify(collector.spans.map(({ name }) => name)),
    },
  )
  const named = (service: string, name: string): SeenSpan => {
    const found = spans.filter((span) => span.service === service && span.name === name)
    expect(found, `${service} ${name}`).toHaveLength(1)
    return found[0]!
  }
  const root = named('asr-balancer', 'POST /asr')
  expect(root.parentSpanId).toBe(parentId)
  const [queue, upstream] = [named('asr-balancer', 'queue'), named('asr-balancer', 'upstream')]
  expect([queue.parentSpanId, upstream.parentSpanId]).toEqual([root.spanId, root.spanId])
  const inside = named('asr-instance', 'POST /asr')
  expect(inside.parentSpanId).toBe(upstream.spanId)
  const stages = ['audio', 'features', 'encoder', 'prefill', 'decode'].map((name) =>
    named('asr-instance', name),
  )
  for (const stage of stages) {
    expect(stage.parentSpanId, stage.name).toBe(inside.spanId)
    const [start, end] = [BigInt(stage.startTimeUnixNano), BigInt(stage.endTimeUnixNano)]
    expect(end >= start, stage.name).toBe(true)
    // Ages were measured on two threads: a few milliseconds of rounding are theirs.
    expect(start >= BigInt(inside.startTimeUnixNano) - 50_000_000n, stage.name).toBe(true)
    expect(end <= BigInt(inside.endTimeUnixNano) + 50_000_000n, stage.name).toBe(true)
  }
  const starts = stages.slice(1).map((stage) => BigInt(stage.startTimeUnixNano))
  expect(starts).toEqual(starts.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
  const attributes = new Map(
    root.attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  )
  expect(attributes.get('asr.instance')).toBe('default-0')
  expect(attributes.get('http.response.status_code')).toBe(200)
  expect(attributes.get('asr.request_id')).toBe(answer.headers.get('x-request-id'))

  // Without a trace of the client's one begins here.
  await sendClip(cluster.url, clip!)
  await waitFor(() => collector.spans.some((span) => span.traceId !== traceId && span.name === 'decode'), {
    what: 'a second trace',
  })
})

test('without an SDK the trace of the client reaches also a foreign server unchanged', async () => {
  const [clip] = await spokenClips()
  await using cluster = await startCluster({
    config: {
      groups: [{ instances: 1, command: [process.execPath, `${fixtures}flask-like.js`, '--port', '{port}'] }],
    },
  })
  const traceparent = `00-${traceId}-${parentId}-01`
  const form = new FormData()
  form.set('audio', new Blob([clip!.bytes]), 'a.wav')
  const answer = await fetch(`${cluster.url}/asr`, { method: 'POST', body: form, headers: { traceparent } })
  expect(await answer.json()).toMatchObject({ traceparent })
})
