import { expect, it } from 'vitest'
import { createLiveLine } from './output.js'

it('overwrites its line, cut to the terminal, and removes it', () => {
  let written = ''
  const line = createLiveLine({ isTTY: true, columns: 10, write: (text) => (written += text) })
  line.show('12345678901234')
  line.show('ab')
  line.clear()
  line.clear()
  expect(written).toBe('\r123456789\x1b[K\rab\x1b[K\r\x1b[K')
})

it('writes nothing into a file or a pipe', () => {
  const line = createLiveLine({
    write() {
      throw new Error('written')
    },
  })
  line.show('x')
  line.clear()
  expect(line.isVisible).toBe(false)
})
