import { expect, it } from 'vitest'
import { formatBytes, formatDuration, formatSeconds, formatTable } from './format.js'

it('writes sizes and times as people read them', () => {
  expect([0, 999, 1_350_752, 47_000_000, 3_940_000_000].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.35 MB',
    '47.0 MB',
    '3.94 GB',
  ])
  expect([9.9, 130, 11_520, 270_000].map(formatDuration)).toEqual(['9s', '2m', '3h12m', '3d3h'])
  expect([0.0042, 0.84, 2.408, 61.23, 312].map(formatSeconds)).toEqual([
    '4 ms',
    '840 ms',
    '2.41 s',
    '61.2 s',
    '312 s',
  ])
})

it('aligns numbers to the right', () => {
  const table = formatTable(
    ['NAME', 'N'],
    [
      ['a', '1'],
      ['bcdef', '100'],
    ],
    new Set([1]),
  )
  expect(table).toEqual(['NAME     N', 'a        1', 'bcdef  100'])
})
