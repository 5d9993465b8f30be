import { expect, it } from 'vitest'
import { ToolUsageError } from '@asr-cluster/tools/common'
import { monitorCommand } from './monitor.js'

type Args = Parameters<typeof monitorCommand.run>[0]

it('leaves terminal and signals alone when the address is none', async () => {
  const listeners = (): number[] => [
    process.listenerCount('SIGINT'),
    process.listenerCount('SIGTERM'),
    process.stdout.listenerCount('error'),
  ]
  const before = listeners()
  const args: Args = {
    _: [],
    $0: '',
    url: 'ftp://nowhere',
    port: undefined,
    interval: '1s',
    count: 1,
    json: true,
  }
  const output = { print: () => {}, complain: () => {}, isTerminal: false }
  const context = { output, cwd: '/', env: {} }
  await expect(monitorCommand.run(args, context)).rejects.toBeInstanceOf(ToolUsageError)
  expect(listeners()).toEqual(before)
})
