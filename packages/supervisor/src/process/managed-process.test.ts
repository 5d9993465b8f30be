import { describe, expect, it } from 'vitest'
import { createProgramLog } from '../logs/program-log.js'
import type { MachineSettings } from '../machine/machine-types.js'
import { fakeClock } from '../fixtures/fake-clock.js'
import { fakeSpawner } from '../fixtures/fake-spawner.js'
import { createManagedProcess } from './managed-process.js'
import type { Program } from './managed-process.js'
import { SpawnError } from './spawner.js'

const settings: MachineSettings = {
  startTimeoutMs: 5_000,
  stopTimeoutMs: 1_000,
  drainTimeoutMs: 2_000,
  startRetries: 1,
  backoffBaseMs: 100,
  backoffCapMs: 1_000,
  readiness: 'message',
}

/** Lets promises that are ready run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function setUp(overrides: Partial<Program> = {}) {
  const clock = fakeClock()
  const spawner = fakeSpawner()
  const changes: string[] = []
  const denied: number[] = []
  const lines: string[] = []
  const file = {
    path: '',
    write: (texts: readonly string[]) => void lines.push(...texts),
    reopen() {},
    close() {},
  }
  const managed = createManagedProcess({
    program: {
      id: 'a-0',
      prepare: () => Promise.resolve({ file: 'x', args: [], env: {}, ipc: true }),
      probe: () => Promise.resolve(),
      onMessage: (message, self) => {
        if ((message as { type: string }).type === 'ready') self.dispatch({ type: 'said-ready' })
      },
      ...overrides,
    },
    settings,
    spawner,
    clock,
    random: () => 0.5,
    log: createProgramLog('a-0', file, clock),
    onChange: ({ to, reason }) => changes.push(`${to}: ${reason}`),
    onDenied: (pid) => denied.push(pid),
  })
  const bringUp = async (): Promise<void> => {
    managed.dispatch({ type: 'start' })
    await settle()
    spawner.last().say({ type: 'ready' })
    clock.advance(0)
    await settle()
  }
  return { clock, spawner, managed, changes, denied, lines, bringUp }
}

describe('a managed process', () => {
  it('becomes ready, and after a crash comes back as a new life', async () => {
    const { clock, spawner, managed, changes, bringUp } = setUp()
    await bringUp()
    expect(managed.pid()).toBe(1_000)
    clock.advance(5_000)
    spawner.last().exit({ code: null, signal: 'SIGSEGV' })
    await settle()
    clock.advance(50)
    await settle()
    expect(spawner.children).toHaveLength(2)
    expect(changes).toEqual([
      'starting: start',
      'ready: ready',
      'backoff: killed by SIGSEGV',
      'starting: killed by SIGSEGV',
    ])
  })

  it('ignores messages of a former life', async () => {
    const { clock, spawner, managed, bringUp } = setUp()
    await bringUp()
    const first = spawner.last()
    clock.advance(5_000)
    first.exit({ code: 1, signal: null })
    await settle()
    clock.advance(50)
    await settle()
    first.say({ type: 'ready' })
    clock.advance(0)
    await settle()
    expect(managed.state().state).toBe('starting')
  })

  it('keeps the last lines of standard error for the report', async () => {
    const { spawner, managed } = setUp({ lastWords: () => 'no such model' })
    managed.dispatch({ type: 'start' })
    await settle()
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}\n`).join('')
    ;(spawner.last().handle.stderr as unknown as { push(text: string): void }).push(lines)
    await settle()
    spawner.last().exit({ code: 1, signal: null })
    await settle()
    const end = managed.lastEnd()
    expect(end).toMatchObject({ code: 1, signal: null, reason: 'exited with code 1: no such model' })
    expect(end?.stderr).toHaveLength(20)
    expect(end?.stderr.at(-1)).toBe('line 29')
  })

  it.each([
    ['EAGAIN', false, 'backoff'],
    ['EMFILE', false, 'backoff'],
    ['no such program', true, 'failed'],
  ])('meets %s at the spawn', async (message, permanent, state) => {
    const { spawner, managed } = setUp()
    spawner.faults.push(new SpawnError(message, permanent))
    managed.dispatch({ type: 'start' })
    await settle()
    expect(managed.state().state).toBe(state)
    expect(managed.lastEnd()?.reason).toBe(message)
  })

  it('that is stopped before it was spawned never is', async () => {
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const { spawner, managed } = setUp({
      prepare: () => gate.then(() => ({ file: 'x', args: [], env: {}, ipc: true })),
    })
    managed.dispatch({ type: 'start' })
    managed.dispatch({ type: 'stop', drain: false, reason: 'stop' })
    expect(managed.state().state).toBe('stopping')
    open()
    await settle()
    expect(managed.state().state).toBe('stopped')
    expect(spawner.children).toHaveLength(0)
  })

  it('says once for each life that it may not be signalled, and waits for its end', async () => {
    const { clock, spawner, managed, denied, bringUp } = setUp()
    await bringUp()
    const { handle } = spawner.last()
    spawner.last().deniesSignals = true
    managed.dispatch({ type: 'stop', drain: false, reason: 'stop' })
    clock.advance(10_000)
    expect(spawner.last().signals.length).toBeGreaterThan(2)
    expect(denied).toEqual([handle.pid])
    expect(managed.state().state).toBe('stopping')
    spawner.last().exit({ code: 0, signal: null })
    await settle()
    expect(managed.state().state).toBe('stopped')
  })

  it('is killed when it ignores SIGTERM, and is stopped only when it is gone', async () => {
    const { clock, spawner, managed, bringUp } = setUp()
    await bringUp()
    managed.dispatch({ type: 'stop', drain: false, reason: 'stop' })
    clock.advance(1_000)
    expect(spawner.last().signals).toEqual(['SIGTERM', 'SIGKILL'])
    expect(managed.state().state).toBe('stopping')
    spawner.last().exit({ code: null, signal: 'SIGKILL' })
    await settle()
    expect(managed.state().state).toBe('stopped')
  })

  it('probes again until the start is over, and takes no late answer of a probe', async () => {
    let fail: (error: Error) => void = () => {}
    const { clock, spawner, managed } = setUp({
      probe: () =>
        new Promise((_, reject) => {
          fail = reject
        }),
    })
    managed.dispatch({ type: 'start' })
    await settle()
    spawner.last().say({ type: 'ready' })
    clock.advance(0)
    fail(new Error('somebody else answers'))
    await settle()
    clock.advance(5_000)
    expect(managed.state()).toMatchObject({
      state: 'stopping',
      reason: 'not ready within 5 s: somebody else answers',
    })
    fail(new Error('late'))
    await settle()
    expect(managed.state().state).toBe('stopping')
  })
})
