import { EventEmitter } from 'node:events'
import type { InstanceMessage } from '@asr-cluster/protocol'
import { describe, expect, it } from 'vitest'
import { connectSupervisor } from './supervisor-link.js'

function setUp(options: { env?: NodeJS.ProcessEnv; ipc?: boolean } = {}) {
  const sent: InstanceMessage[] = []
  const checks: (() => void)[] = []
  const clock = { ms: 0, nowMs: () => clock.ms, every: (callback: () => void) => void checks.push(callback) }
  const self = Object.assign(new EventEmitter(), {
    env: options.env ?? {},
    ppid: 100,
    connected: options.ipc ?? true,
    ...(options.ipc === false ? {} : { send: (message: InstanceMessage) => sent.push(message) }),
  })
  const link = connectSupervisor(self, clock)
  let lost = false
  void link.lost.then(() => (lost = true))
  const isLost = () => new Promise((resolve) => setImmediate(() => resolve(lost)))
  return { self, sent, clock, link, isLost, check: () => checks.forEach((callback) => callback()), checks }
}

const progress = (ratio: number): InstanceMessage => ({ type: 'progress', stage: 'load', ratio, detail: '' })

describe('connectSupervisor', () => {
  it('is lost when the channel closes', async () => {
    const { self, isLost } = setUp()
    expect(await isLost()).toBe(false)
    self.emit('disconnect')
    expect(await isLost()).toBe(true)
  })

  it('is lost when the parent is another process than the one that was announced', async () => {
    const { self, check, isLost } = setUp({ env: { ASR_SUPERVISOR_PID: '100' }, ipc: false })
    check()
    expect(await isLost()).toBe(false)
    self.ppid = 1
    check()
    expect(await isLost()).toBe(true)
  })

  it('is lost at once when the parent died before this process looked', async () => {
    const { isLost } = setUp({ env: { ASR_SUPERVISOR_PID: '99' }, ipc: false })
    expect(await isLost()).toBe(true)
  })

  it('is never lost when there is no supervisor', async () => {
    const { self, checks, isLost, link } = setUp({ ipc: false })
    self.ppid = 1
    link.send(progress(1))
    expect(checks).toEqual([])
    expect(await isLost()).toBe(false)
  })

  it('sends progress a few times a second, the end of a stage always', () => {
    const { link, sent, clock } = setUp()
    for (let ms = 0; ms < 1000; ms += 10) {
      clock.ms = ms
      link.send(progress(ms / 1000))
    }
    expect(sent.length).toBe(4)
    link.send(progress(1))
    link.send({ type: 'ready', port: 1, slots: 1, model: 'm' })
    expect(sent.length).toBe(6)
  })
})
