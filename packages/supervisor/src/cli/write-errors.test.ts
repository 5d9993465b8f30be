import { Writable } from 'node:stream'
import { expect, it, vi } from 'vitest'
import { watchOutput } from './write-errors.js'

function setUp() {
  const said: string[] = []
  const streamThat = (write: (text: string) => void): Writable =>
    new Writable({
      autoDestroy: false,
      write(chunk, _, done) {
        write(String(chunk))
        done()
      },
    })
  const streams = { stdout: streamThat(() => {}), stderr: streamThat((text) => said.push(text)) }
  const onFailed = vi.fn<() => void>()
  const fail = (name: keyof typeof streams, code: string): boolean =>
    streams[name].emit('error', Object.assign(new Error(`write ${code}`), { code }))
  return { said, fail, onFailed, exitCode: watchOutput(streams, onFailed) }
}

it('says once what is wrong with the output, and ends with 1', () => {
  const { said, fail, onFailed, exitCode } = setUp()
  expect(exitCode(0)).toBe(0)
  fail('stdout', 'ENOSPC')
  fail('stdout', 'ENOSPC')
  expect(said).toEqual(['asr-cluster: the output cannot be written: ENOSPC\n'])
  expect(onFailed).toHaveBeenCalledOnce()
  expect([0, 1, 78].map(exitCode)).toEqual([1, 1, 78])
})

it('has nothing to say where standard error fails', () => {
  const { said, fail, exitCode } = setUp()
  fail('stderr', 'ENOSPC')
  expect(said).toEqual([])
  expect(exitCode(0)).toBe(1)
})

it('does not mind a reader that has gone away', () => {
  const { said, fail, onFailed, exitCode } = setUp()
  fail('stdout', 'EPIPE')
  fail('stdout', 'ERR_STREAM_DESTROYED')
  expect(said).toEqual([])
  expect(onFailed).not.toHaveBeenCalled()
  expect(exitCode(0)).toBe(0)
})
