import { afterEach, expect, it, vi } from 'vitest'
import { systemSpawner } from './spawner.js'

afterEach(() => {
  vi.restoreAllMocks()
})

it('survives processes that it may not signal, and sees their end', async () => {
  const child = await systemSpawner.spawn({ file: 'sleep', args: ['60'], env: {}, ipc: false })
  const kill = process.kill.bind(process)
  vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
    if (pid === -child.pid) throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    return kill(pid, signal)
  })
  expect(child.signal('SIGTERM')).toBe(false)
  kill(child.pid, 'SIGKILL')
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
})
