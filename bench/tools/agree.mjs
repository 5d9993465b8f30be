// Does `asr-cluster bench` measure what others measure? It, hey and wrk take turns on one cluster, with the same clip and the
// same number of clients; the ratios of each round are taken and their median shown, and the counts beside what the cluster counted itself.
// node bench/tools/agree.mjs [--rounds 7] [--requests 48] [--clients 4]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { recording, startCluster, toWav } from '../api/lib/cluster.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    requests: { type: 'string', default: '48' },
    clients: { type: 'string', default: '4' },
  },
})
const { requests, clients } = values
const root = fileURLToPath(new URL('../../', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'asr-agree-'))
// So long that the work is the cluster's: the clients run on the same processor.
const clip = join(dir, 'clip.wav')
writeFileSync(clip, toWav(recording(10)))
const boundary = 'agree-7d1f'
const body = Buffer.concat([
  Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\nContent-Type: audio/wav\r\n\r\n`,
  ),
  readFileSync(clip),
  Buffer.from(`\r\n--${boundary}--\r\n`),
])
writeFileSync(join(dir, 'body'), body)
writeFileSync(
  join(dir, 'post.lua'),
  `local file = io.open("${join(dir, 'body')}", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "multipart/form-data; boundary=${boundary}"
done = function(summary, latency)
  io.write(string.format("RESULT %d %d %.3f\\n", summary.requests, summary.duration, latency:percentile(50) / 1000))
end
`,
)

const cluster = await startCluster({ groups: [{ instances: 2 }] })
const route = `${cluster.url}/v1/audio/transcriptions`

/** How many requests the cluster has answered on the route, by its own count. */
async function answered() {
  const text = await (await fetch(`${cluster.url}/metrics`)).text()
  const lines = text.matchAll(/^asr_requests_total\{[^}]*route="\/v1\/audio\/transcriptions"[^}]*\} (\d+)/gm)
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0)
}

const tools = {
  bench() {
    const file = join(dir, 'bench.json')
    rmSync(file, { force: true })
    const args = [
      'bench',
      '--url',
      cluster.url,
      '--audio',
      clip,
      '-c',
      clients,
      '-n',
      requests,
      '--warm-up',
      '0',
      '--json',
      file,
    ]
    execFileSync(process.execPath, [`${root}packages/supervisor/bin/asr-cluster.js`, ...args], {
      stdio: 'pipe',
    })
    const result = JSON.parse(readFileSync(file, 'utf8'))
    return { count: result.succeeded, perSecond: result.requestsPerSecond, p50: result.latencyMs.p50 }
  },
  hey() {
    const args = ['-n', requests, '-c', clients, '-m', 'POST', '-D', join(dir, 'body')]
    args.push('-T', `multipart/form-data; boundary=${boundary}`, route)
    const text = execFileSync('hey', args, { encoding: 'utf8' })
    return {
      count: Number(/\[200\]\s+(\d+) responses/.exec(text)?.[1]),
      perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
      p50: Number(/50% in ([\d.]+) secs/.exec(text)?.[1]) * 1_000,
    }
  },
  wrk() {
    const args = ['-t', '1', '-c', clients, '-d', '4s', '--latency', '-s', join(dir, 'post.lua'), route]
    const [, count, micros, p50] = /RESULT (\d+) (\d+) ([\d.]+)/.exec(
      execFileSync('wrk', args, { encoding: 'utf8' }),
    )
    return { count: Number(count), perSecond: Number(count) / (Number(micros) / 1e6), p50: Number(p50) }
  },
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
const results = Object.fromEntries(Object.keys(tools).map((name) => [name, []]))
try {
  tools.bench() // Warm-up.
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [name, run] of Object.entries(tools)) {
      const before = await answered()
      const result = run()
      const counted = (await answered()) - before
      results[name].push({ ...result, counted })
      const figures = `${result.perSecond.toFixed(1)} requests/s, p50 ${result.p50.toFixed(1)} ms`
      console.log(`${name.padEnd(6)} ${result.count} answers (the cluster counted ${counted}), ${figures}`)
    }
  }
} finally {
  await cluster.stop()
  rmSync(dir, { recursive: true })
}
/** Of the ratios of each round: what else the machine does changes from round to round. */
const ratio = (other, figure) =>
  median(results.bench.map((result, round) => result[figure] / results[other][round][figure]))
for (const other of ['hey', 'wrk']) {
  const [rate, p50] = ['perSecond', 'p50'].map((figure) => ratio(other, figure))
  console.log(`bench / ${other}: requests per second ${rate.toFixed(3)}, p50 ${p50.toFixed(3)}`)
}
