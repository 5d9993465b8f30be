import { expect, it } from 'vitest'
import { hashApiKey, type AdminAnswer, type AdminRequest } from '@asr-cluster/protocol'
import type { ControlApi } from '../control/control-server.js'
import { fakeClock } from '../fixtures/fake-clock.js'
import { createAdminDesk } from './admin-desk.js'

const key = 'an admin key of the test'.replaceAll(' ', '-')
const balancer = {}

function setUp(api: Partial<ControlApi> = {}) {
  const clock = fakeClock()
  let keys = [hashApiKey('another-key-12345'), hashApiKey(key)]
  const desk = createAdminDesk(() => keys, clock)
  desk.serve({
    status: () => ({}),
    balancerUrl: () => '',
    certificate: () => Promise.resolve(null),
    logs: () => Promise.resolve(),
    operations: {},
    ...api,
  })
  const answers: AdminAnswer[] = []
  const ask = (request?: AdminRequest, given = key): void =>
    desk.onMessage(
      balancer,
      { type: 'admin', exchange: 'e1', keyHash: hashApiKey(given), ...(request ? { request } : {}) },
      (answer) => answers.push(answer),
    )
  return { clock, desk, answers, ask, setKeys: (next: string[]) => void (keys = next) }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('runs an operation for a right key, with its lines and its end', async () => {
  const { ask, answers } = setUp({
    operations: {
      scale: (body, say) => {
        say('starting default-2')
        return Promise.resolve({ ok: true, data: body })
      },
    },
  })
  ask({ operation: 'scale', targets: ['3'] })
  await settle()
  expect(answers[0]).toEqual({
    type: 'admin-answer',
    exchange: 'e1',
    verdict: 'accepted',
    lines: [],
    end: false,
  })
  expect(answers.at(-1)).toMatchObject({
    lines: [{ line: 'starting default-2' }, { done: true, ok: true, data: { targets: ['3'] } }],
    end: true,
  })
})

it('asks nobody for a wrong key, nor when there are none', async () => {
  const { ask, answers, setKeys } = setUp({
    operations: {
      stop: () => {
        throw new Error('must not be called')
      },
    },
  })
  ask({ operation: 'stop', ids: ['default-0'] }, 'a-wrong-key-12345')
  setKeys([])
  ask({ operation: 'stop', ids: ['default-0'] })
  await settle()
  expect(answers.map(({ verdict, end, lines }) => ({ verdict, end, lines }))).toEqual([
    { verdict: 'wrong-key', end: true, lines: [] },
    { verdict: 'disabled', end: true, lines: [] },
  ])
})

it('tells of an operation that fails', async () => {
  const { ask, answers } = setUp({
    operations: { stop: () => Promise.reject(new Error('no such instance')) },
  })
  ask({ operation: 'stop', ids: ['x'] })
  await settle()
  expect(answers.at(-1)?.lines).toEqual([{ done: true, ok: false, message: 'no such instance' }])
})

it('gathers lines, counts those of a burst that are too many, and ends with the listener', async () => {
  let write: (line: unknown) => void = () => {}
  let gone: AbortSignal | undefined
  const { ask, answers, clock, desk } = setUp({
    logs: (_request, give, signal) => {
      write = give
      gone = signal
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
    },
  })
  ask({ operation: 'logs', id: null, lines: 10 })
  await settle()
  for (let line = 0; line < 505; line += 1) write({ text: String(line) })
  expect(answers).toHaveLength(1)
  clock.advance(100)
  expect(answers[1]?.lines).toHaveLength(501)
  expect(answers[1]?.lines.at(-1)).toEqual({ dropped: 5 })
  write({ text: 'later' })
  clock.advance(100)
  expect(answers[2]?.lines).toEqual([{ text: 'later' }])
  desk.forget(balancer)
  expect(gone?.aborted).toBe(true)
  await settle()
  expect(answers).toHaveLength(3)
})

it('judges a key alone, before the balancer reads what is asked', () => {
  const { ask, answers } = setUp()
  ask()
  ask(undefined, 'a-wrong-key-12345')
  expect(answers.map(({ verdict, end }) => [verdict, end])).toEqual([
    ['accepted', true],
    ['wrong-key', true],
  ])
})
