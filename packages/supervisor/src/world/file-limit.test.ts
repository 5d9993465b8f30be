import { expect, it } from 'vitest'
import { openFileLimit, openFilesNeeded } from './file-limit.js'

it('reads the soft limit', () => {
  const limits =
    'Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n'
  expect(openFileLimit(limits)).toBe(1024)
  expect(
    openFileLimit('Max open files            unlimited            unlimited            files\n'),
  ).toBeNull()
  expect(openFileLimit('')).toBeNull()
  expect(openFileLimit()).toBeGreaterThan(0)
})

it('needs more for more requests', () => {
  expect(openFilesNeeded(1024)).toBe(3584)
})
