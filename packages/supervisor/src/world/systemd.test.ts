import { expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { serviceManager } from './systemd.js'

const pid = `--pid=${process.pid}`

it('says nothing when systemd did not start us', () => {
  const told: string[][] = []
  const service = serviceManager({ WATCHDOG_USEC: '1000000' }, fakeClock(), (args) => told.push(args))
  service.ready('x')
  expect(told).toEqual([])
})

it('tells readiness, signs of life at half the limit, and the end; and keeps it from the children', () => {
  const told: string[][] = []
  const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '60000000', PATH: '/bin' }
  const clock = fakeClock()
  const service = serviceManager(env, clock, (args, own) => {
    expect(own['NOTIFY_SOCKET']).toBe('/run/x')
    told.push(args)
  })
  expect(env).toEqual({ PATH: '/bin' })
  service.ready('2 of 2')
  clock.advance(60_000)
  service.stopping()
  service.close()
  clock.advance(600_000)
  expect(told).toEqual([
    [pid, 'WATCHDOG=1'],
    [pid, '--ready', '--status=2 of 2'],
    [pid, 'WATCHDOG=1'],
    [pid, 'WATCHDOG=1'],
    [pid, 'STOPPING=1'],
  ])
})

it('leaves the watchdog of another process alone', () => {
  const told: string[][] = []
  serviceManager({ NOTIFY_SOCKET: 'x', WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' }, fakeClock(), (args) =>
    told.push(args),
  )
  expect(told).toEqual([])
})
