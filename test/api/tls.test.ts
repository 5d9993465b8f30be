import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { Agent, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { binOf, runProgram, startCluster, waitFor, type TestCluster } from '../harness/index.js'
import { apiConfig, clip } from './api-client.ts'

interface Pair {
  cert: string
  key: string
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'asr-tls-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A self-signed certificate for `localhost`, not for the address by which the tools come. */
function makePair(dir: string, name: string): Pair {
  const pair = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) }
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost']
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-out', pair.cert, '-keyout', pair.key], {
    stdio: 'pipe',
  })
  return pair
}

function install(from: Pair, to: Pair): void {
  copyFileSync(from.cert, to.cert)
  copyFileSync(from.key, to.key)
}

const withTls = (tls: Pair) => ({ ...apiConfig, balancer: { tls } })

async function subjectAt(port: number): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const subject = socket.getPeerX509Certificate()?.subject
  socket.destroy()
  return subject
}

/**
 * Some of the clients take a new connection for each request; `stop` resolves with the outcomes. Without a pause they
 * would take a core, and the operations meanwhile the longer.
 */
function startTlsLoad(cluster: TestCluster, certificates: string[]) {
  const dispatcher = new Agent({ connect: { ca: certificates } })
  const url = `https://localhost:${cluster.port}/v1/models`
  const outcomes: (number | string)[] = []
  let isOver = false
  const clients = Array.from({ length: 6 }, async (_, index) => {
    while (!isOver) {
      try {
        const answer = await request(url, { dispatcher, reset: index % 2 === 0 })
        await answer.body.dump()
        outcomes.push(answer.statusCode)
      } catch (error) {
        outcomes.push(String(error))
      }
      await sleep(10)
    }
  })
  return {
    outcomes,
    async stop() {
      isOver = true
      await Promise.all(clients)
      await dispatcher.close()
      return outcomes
    },
  }
}

async function grown(outcomes: readonly unknown[], by: number): Promise<void> {
  const goal = outcomes.length + by
  await waitFor(() => outcomes.length >= goal, { what: 'the load to flow' })
}

test('TLS: all tools reach it, and another certificate or another balancer costs no request', async () => {
  const dir = folder()
  const [first, second, used] = [
    makePair(dir, 'first'),
    makePair(dir, 'second'),
    makePair(dir, 'used'),
  ] as const
  install(first, used)
  const measured = { eval: { enabled: true, clips: 4, interval: '1s' } }
  await using cluster = await startCluster({ config: { ...withTls(used), ...measured } })
  expect(cluster.url).toMatch(/^https:/)

  const verified = await cluster.cli('verify')
  expect(verified, verified.stdout + verified.stderr).toMatchObject({ code: 0 })
  const heard = await cluster.cli('transcribe', clip.path)
  expect(heard.stdout).toContain(clip.text)
  const bench = await cluster.cli('bench', '--audio', clip.path, '--requests', '4')
  expect(bench, bench.stderr).toMatchObject({ code: 0 })
  const view = await cluster.cli('monitor', '--count', '1', '--json')
  expect(JSON.parse(view.stdout), view.stderr).toMatchObject({ trouble: null })
  // Nobody else has to accept a certificate for another name.
  const stranger = await cluster.cli('transcribe', clip.path, '--url', cluster.url)
  expect(stranger.code).toBe(1)

  const pid = await cluster.pidOf('balancer')
  const load = startTlsLoad(cluster, [readFileSync(first.cert, 'utf8'), readFileSync(second.cert, 'utf8')])
  await grown(load.outcomes, 20)
  install(second, used)
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  expect(await subjectAt(cluster.port)).toBe('CN=second')
  expect(await cluster.pidOf('balancer')).toBe(pid)
  await grown(load.outcomes, 20)
  expect(await cluster.cli('restart', 'balancer')).toMatchObject({ code: 0 })
  expect(await cluster.pidOf('balancer')).not.toBe(pid)
  await grown(load.outcomes, 20)

  copyFileSync(first.key, used.key)
  const refused = await cluster.cli('reload')
  expect(refused.code).toBe(1)
  expect(refused.stdout + refused.stderr).toMatch(
    /`balancer.tls.key`: \S+used.key is not the key of the certificate/,
  )
  expect(await subjectAt(cluster.port)).toBe('CN=second')
  await grown(load.outcomes, 20)
  install(second, used)
  cluster.writeConfig({ ...withTls(first), ...measured })
  expect(await cluster.cli('reload')).toMatchObject({ code: 0 })
  expect(await subjectAt(cluster.port)).toBe('CN=first')
  await grown(load.outcomes, 20)
  const outcomes = await load.stop()
  expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([])

  // The supervisor's own requests come by the same door.
  const dispatcher = new Agent({ connect: { ca: readFileSync(first.cert) } })
  onTestFinished(() => dispatcher.destroy())
  await waitFor(
    async () => {
      const metrics = await request(`https://localhost:${cluster.port}/metrics`, { dispatcher })
      return (await metrics.body.text()).includes('asr_eval_success{group="default"} 1') || null
    },
    { what: 'a word error rate', context: cluster.program.output },
  )
  cluster.writeConfig(apiConfig)
  const turnedOff = await cluster.cli('reload')
  expect(turnedOff.code).toBe(1)
  expect(turnedOff.stdout + turnedOff.stderr).toContain('only a new `asr-cluster up` can change that')
}, 180_000)

test('files that do not fit are an error of the configuration, with file and reason', async () => {
  const dir = folder()
  const [one, other] = [makePair(dir, 'one'), makePair(dir, 'other')]
  await using cluster = await startCluster({
    config: withTls({ cert: one.cert, key: other.key }),
    dontWait: true,
  })
  const { code } = await cluster.program.exited
  expect(code).toBe(78)
  expect(cluster.program.output()).toMatch(
    /asr-cluster.yaml:1:\d+: `balancer.tls.key`: \S+other.key is not the key of the certificate in \S+one.crt/,
  )
  const flags = ['--upstream', 'http://127.0.0.1:9', '--port', '0', '--tls-cert', one.cert]
  const alone = await runProgram(binOf('asr-balancer'), { args: [...flags, '--tls-key', other.key] })
  expect(alone).toMatchObject({ code: 78 })
  expect(alone.stderr).toContain('other.key is not the key of the certificate in')
})
