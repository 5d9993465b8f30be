import { Pool } from 'undici'

export const quantile = (sorted, q) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN

/** Posts the body as fast as `clients` connections can for some time. */
export async function closedLoop({ port, body, clients, seconds }) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: clients, pipelining: 1 })
  const until = performance.now() + seconds * 1_000
  const latencies = []
  const failures = new Map()
  const client = async () => {
    while (performance.now() < until) {
      const startedAt = performance.now()
      try {
        const answer = await pool.request({
          path: '/asr',
          method: 'POST',
          body,
          headers: { 'x-no-hash': '1' },
        })
        await answer.body.dump()
        if (answer.statusCode !== 200) count(failures, answer.statusCode)
      } catch (error) {
        count(failures, error.code ?? error.message)
      }
      latencies.push(performance.now() - startedAt)
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: clients }, client))
  const elapsed = (performance.now() - startedAt) / 1_000
  await pool.close()
  latencies.sort((a, b) => a - b)
  return {
    requests: latencies.length,
    perSecond: latencies.length / elapsed,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    failures,
    lost: [...failures.values()].reduce((sum, each) => sum + each, 0),
  }
}

function count(map, key) {
  map.set(key, (map.get(key) ?? 0) + 1)
}
