import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fixtures, kill, repositoryRoot, startCluster, startCommand, waitFor } from '../harness/index.js'
import { startPrometheus } from './live-prometheus.ts'

/** Minutes of the rules become seconds: `prometheus --config.file=…` with our files, thirty times as fast. */
const factor = 30

function hasPrometheus(): boolean {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    console.warn('skipped: prometheus is not installed (Debian: apt-get install prometheus)')
    return false
  }
}

const rules = readFileSync(`${repositoryRoot}config/prometheus/rules/alerts.yml`, 'utf8')
const allAlerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string)

test.skipIf(!hasPrometheus())(
  'a real Prometheus: every alert fires when its cause is made, and clears when it is gone',
  { timeout: 280_000 },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-alerts-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const path = (name: string): string => join(dir, name)
    const setMood = (mood: object): void => writeFileSync(path('mood.json'), JSON.stringify(mood))
    const setGpu = (use: number, usedMb: number): void =>
      writeFileSync(path('gpus'), `0, GPU-1, Fake, 1000, ${usedMb}, ${use}, 50, 0, 00000000:01:00.0\n`)
    const setGolden = (text: string, audio = `${repositoryRoot}examples/hello.wav`): void =>
      writeFileSync(path('golden.jsonl'), `${JSON.stringify({ audio, text, language: 'en' })}\n`)
    setMood({})
    setGpu(10, 100)
    setGolden('welcome to the cluster')

    await using cluster = await startCluster({
      deadlineMs: 275_000,
      env: { PATH: `${fixtures}bin:${process.env['PATH']}`, FAKE_GPUS: path('gpus') },
      config: {
        groups: [
          {
            name: 'moody',
            command: [process.execPath, `${fixtures}moody-server.js`, '{port}', path('mood.json')],
            instances: 1,
            slots: 1,
            gpus: 'none',
          },
          { name: 'own', instances: 1, gpus: 'none' },
        ],
        supervisor: { startRetries: 100, backoff: { base: '2s', cap: '3s' } },
        eval: { enabled: true, manifest: path('golden.jsonl'), interval: '1s' },
      },
    })
    await using prometheus = await startPrometheus(`127.0.0.1:${cluster.port}`, dir, factor)
    const seen = new Set<string>()

    const until = (what: string, condition: (firing: Set<string>) => boolean): Promise<true> =>
      waitFor(async () => condition(await prometheus.firing()) || null, {
        what: `alerts: ${what}`,
        deadlineMs: 90_000,
        context: cluster.program.output,
      })
    async function raise(...names: string[]): Promise<void> {
      await until(`${names.join(', ')} to fire`, (firing) => names.every((name) => firing.has(name)))
      for (const name of names) seen.add(name)
    }
    const clear = (...names: string[]): Promise<true> =>
      until(`${names.join(', ')} to clear`, (firing) => names.every((name) => !firing.has(name)))

    /** Requests to the moody server by so many clients at once, until stopped. */
    function load(clients: number): () => Promise<void> {
      let isOver = false
      const running = Promise.all(
        Array.from({ length: clients }, async () => {
          while (!isOver) {
            const headers = { 'x-asr-model': 'moody' }
            await fetch(`${cluster.url}/asr`, { method: 'POST', headers, body: 'sound' }).then(
              (response) => response.arrayBuffer(),
              () => undefined,
            )
          }
        }),
      )
      return async () => {
        isOver = true
        await running
      }
    }

    await waitFor(async () => (await prometheus.query('asr_eval_wer_ratio')).length > 0, {
      what: 'a first word error rate',
      context: cluster.program.output,
    })
    // Others may be busy on this machine; everything else is quiet.
    await until('none', (firing) => [...firing].every((name) => name === 'AsrCpuHigh'))

    // GPU busy and full; recordings gone; a slow server with more clients than slots.
    setGpu(95, 990)
    setGolden('x', path('none.wav'))
    setMood({ delayMs: 1_500 })
    const stopCrowd = load(4)
    await raise('AsrGpuHigh', 'AsrGpuMemoryHigh', 'AsrEvalFailed', 'AsrQueueWaitHigh', 'AsrSlow')

    // Answers with 500; the model hears something else than it did.
    setGpu(10, 100)
    setGolden('nothing of this was ever said by anybody')
    setMood({ status: 500, delayMs: 50 })
    await stopCrowd()
    const stopOne = load(1)
    await raise('AsrHighErrorRate', 'AsrWerDrift')
    await clear('AsrGpuHigh', 'AsrGpuMemoryHigh', 'AsrEvalFailed', 'AsrQueueWaitHigh', 'AsrSlow')
    setMood({ delayMs: 50 })
    setGolden('welcome to the cluster')
    await clear('AsrHighErrorRate', 'AsrWerDrift')
    await stopOne()

    // Killed, and unable to start again.
    setMood({ dies: true })
    kill(await cluster.pidOf('moody-0'), 'SIGKILL')
    await raise('AsrInstanceDown', 'AsrRestartStorm')
    setMood({})
    await clear('AsrInstanceDown', 'AsrRestartStorm')

    expect((await cluster.cli('stop')).code).toBe(0)
    await raise('AsrNoInstanceReady')
    expect((await cluster.cli('start')).code).toBe(0)
    await clear('AsrNoInstanceReady')

    const balancer = await cluster.pidOf('balancer')
    kill(balancer, 'SIGSTOP')
    await raise('AsrClusterDown')
    kill(balancer, 'SIGCONT')
    await clear('AsrClusterDown')

    const loops = Array.from({ length: 8 }, () => startCommand(process.execPath, ['-e', 'for (;;) {}']))
    try {
      await raise('AsrCpuHigh')
    } finally {
      await Promise.all(loops.map((loop) => loop[Symbol.asyncDispose]()))
    }
    // The loops are gone; whether the processor is idle then is not up to us.
    const isBusyAnyway = async (): Promise<boolean> => {
      const [lowest] = await prometheus.query('min_over_time(asr_cpu_utilization_ratio[10s])')
      return Number(lowest?.value[1]) > 0.8
    }
    await waitFor(async () => !(await prometheus.firing()).has('AsrCpuHigh') || (await isBusyAnyway()), {
      what: 'AsrCpuHigh to clear',
      deadlineMs: 60_000,
    })
    expect(allAlerts.filter((name) => !seen.has(name))).toEqual([])
  },
)
