/**
 * The same request many times at once, with the answer cache and without: requests that reach an instance, and time.
 *
 *   node bench/api/cache.mjs [--requests 1000] [--model DIR]
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { metric, printTable, startCluster } from './lib/cluster.mjs'

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000' },
    model: { type: 'string', default: 'models/demo' },
  },
})
const audio = new Blob([readFileSync(new URL('../../models/demo/eval/034.wav', import.meta.url))])

printTable({ ...(await measure(true)), ...(await measure(false)) })

async function measure(enabled) {
  const cluster = await startCluster({ groups: [{ instances: 1, model: options.model }], cache: { enabled } })
  try {
    const startedAt = performance.now()
    const answers = await Promise.all(
      Array.from({ length: Number(options.requests) }, () => send(cluster.url)),
    )
    const seconds = (performance.now() - startedAt) / 1000
    const name = `cache ${enabled ? 'on' : 'off'}: `
    return {
      [`${name}answers with 200`]: answers.filter((status) => status === 200).length,
      [`${name}inferences`]: await metric(cluster.url, 'asr_instance_requests_total', /code="200"/),
      [`${name}tokens decoded`]: await metric(cluster.url, 'asr_tokens_total'),
      [`${name}seconds`]: seconds,
    }
  } finally {
    await cluster.stop()
  }
}

async function send(url) {
  const form = new FormData()
  form.set('audio', audio, 'a.wav')
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  await response.arrayBuffer()
  return response.status
}
