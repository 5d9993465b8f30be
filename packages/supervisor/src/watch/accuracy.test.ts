import { expect, it } from 'vitest'
import type { Cluster } from '../cluster/cluster.js'
import type { ClusterEvent } from '../cluster/events.js'
import { parseConfig } from '../config/parse-config.js'
import { fakeClock } from '../fixtures/fake-clock.js'
import { fakeSpawner } from '../fixtures/fake-spawner.js'
import { SpawnError } from '../process/spawner.js'
import { watchAccuracy } from './accuracy.js'
import type { WatchContext } from './watch-context.js'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function setUp(yaml: string) {
  const clock = fakeClock()
  const spawner = fakeSpawner()
  const notices: string[] = []
  const measured: [string, number | null][] = []
  let config = parseConfig(yaml, 'test')
  const cluster = {
    port: 7860,
    config: () => config,
    bus: { emit: (event: ClusterEvent) => event.type === 'notice' && notices.push(event.text) },
    metrics: {
      recordEvaluation: (group: string, result: { wer: number } | null) =>
        measured.push([group, result?.wer ?? null]),
    },
  } as unknown as Cluster
  const context = { cluster, clock, isShuttingDown: () => false } as unknown as WatchContext
  const stop = watchAccuracy(context, { spawner, command: ['node', 'asr-cluster.js'] })
  async function pass(ms: number): Promise<void> {
    for (let done = 0; done < ms; done += 1_000) {
      clock.advance(1_000)
      await settle()
    }
  }
  async function answer(stdout: string, stderr = '', code = 0): Promise<void> {
    const child = spawner.last()
    ;(child.handle.stdout as unknown as { end: (text: string) => void }).end(stdout)
    ;(child.handle.stderr as unknown as { end: (text: string) => void }).end(stderr)
    await settle()
    child.exit({ code, signal: null })
    await settle()
  }
  return {
    pass,
    answer,
    spawner,
    notices,
    measured,
    stop,
    set: (text: string) => void (config = parseConfig(text, 'test')),
  }
}

const good = JSON.stringify({ all: { wer: 0.125, words: { length: 80 } }, clips: [{ error: null }] })

it('measures each group of our own in turn, and again after the interval', async () => {
  const yaml =
    'eval: {enabled: true, clips: 9, interval: 10m}\ngroups: [{name: a}, {name: b, basePort: 9}, {name: c, command: [x]}]'
  const { pass, answer, spawner, measured, notices } = setUp(yaml)
  await pass(60_000)
  expect(spawner.children).toHaveLength(0)
  await pass(1_000)
  expect(spawner.last().request.args.join(' ')).toMatch(
    /^asr-cluster.js eval \S+ --json --low-priority --url http:\/\/127.0.0.1:7860 --concurrency 1 --limit 9 --model a$/,
  )
  await answer(good)
  expect(spawner.last().request.args.at(-1)).toBe('b')
  await answer(good)
  expect(spawner.children).toHaveLength(2)
  expect(measured).toEqual([
    ['a', 0.125],
    ['b', 0.125],
  ])
  expect(notices[0]).toBe('word error rate of a: 12.5 % of 80 words')
  await pass(599_000)
  expect(spawner.children).toHaveLength(2)
  await pass(2_000)
  expect(spawner.children).toHaveLength(3)
})

it('says so when there is no rate: a failed clip, a complaint, no program', async () => {
  const { pass, answer, spawner, measured, notices } = setUp('eval: {enabled: true, interval: 1s}')
  await pass(2_000)
  await answer(good.replace('null', '"broken"'), 'a.wav: broken\n', 1)
  await pass(1_000)
  await answer('', 'asr-cluster: nothing answers\n', 1)
  spawner.faults.push(new SpawnError('no such program', true))
  await pass(1_000)
  expect(measured).toEqual([
    ['default', null],
    ['default', null],
    ['default', null],
  ])
  expect(notices).toEqual([
    'the accuracy of default could not be measured: a.wav: broken',
    'the accuracy of default could not be measured: asr-cluster: nothing answers',
    'the accuracy of default could not be measured: no such program',
  ])
})

it('gives up a measurement that finds no room, stops when it is turned off, and at the end', async () => {
  const { pass, spawner, stop, set } = setUp('eval: {enabled: true, interval: 1s}')
  await pass(2_000)
  await pass(600_000)
  expect(spawner.last().signals).toEqual(['SIGKILL'])
  spawner.last().exit({ code: null, signal: 'SIGKILL' })
  await settle()
  set('eval: {enabled: false}')
  await pass(5_000)
  expect(spawner.children).toHaveLength(1)
  set('eval: {enabled: true, interval: 1s}')
  await pass(2_000)
  expect(spawner.children).toHaveLength(2)
  stop()
  expect(spawner.last().signals).toEqual(['SIGKILL'])
})
