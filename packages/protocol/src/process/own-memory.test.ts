import { expect, test } from 'vitest'
import { ownMemoryBytes } from './own-memory.js'

const status = `Name:\tnode
VmRSS:\t 5256276 kB
RssAnon:\t  880000 kB
RssFile:\t 4376270 kB
RssShmem:\t       6 kB
`

test('mapped files do not count', () => {
  expect(ownMemoryBytes(1, () => status)).toBe(880_006 * 1024)
})

test('undefined for a process that is gone, a kernel thread, or another system', () => {
  expect(ownMemoryBytes(1, () => undefined)).toBeUndefined()
  expect(ownMemoryBytes(1, () => 'Name:\tkthreadd\n')).toBeUndefined()
})

test.runIf(process.platform === 'linux')('this process has some', () => {
  expect(ownMemoryBytes('self')).toBeGreaterThan(1e6)
  expect(ownMemoryBytes('self')).toBeLessThan(process.memoryUsage.rss())
})
