import { expect, it } from 'vitest'
import { openTerminal, plainScreen } from './screen.js'

it('draws over the frame before, on a screen of its own', () => {
  let written = ''
  const screen = openTerminal({ columns: 0, write: (text) => (written += text) })
  expect([screen.columns, screen.rows]).toEqual([80, 24])
  screen.show(['a', 'b'])
  screen.close()
  expect(written).toBe('\x1b[?1049h\x1b[?25l\x1b[Ha\x1b[K\nb\x1b[K\x1b[J\x1b[?25h\x1b[?1049l')
})

it('leaves the last frame behind where it is told to', () => {
  let written = ''
  const screen = openTerminal({ write: (text) => (written += text) }, { keepsLast: true })
  screen.show(['a', 'b'])
  screen.show(['c', 'd'])
  screen.close()
  expect(written.split('\x1b[?1049l')[1]).toBe('c\nd\n')
})

it('prints one frame below the other into a file', () => {
  const lines: string[] = []
  const screen = plainScreen((line) => void lines.push(line))
  screen.show(['a', 'b'])
  screen.show(['c'])
  screen.close()
  expect(lines).toEqual(['a', 'b', '', 'c'])
})
