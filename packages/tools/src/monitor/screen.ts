/** Where frames are shown. */
export interface Screen {
  readonly columns: number
  readonly rows: number
  show(lines: readonly string[]): void
  close(): void
}

export interface ScreenStream {
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  write(text: string): unknown
}

/**
 * The terminal's second screen, which leaves the scrollback as it was; with `keepsLast` the last frame is added to it at the
 * end.
 */
export function openTerminal(stream: ScreenStream, { keepsLast = false } = {}): Screen {
  let last: readonly string[] = []
  stream.write('\x1b[?1049h\x1b[?25l')
  return {
    get columns() {
      // A terminal that does not know its size says 0.
      return stream.columns || 80
    },
    get rows() {
      return stream.rows || 24
    },
    show(lines) {
      // Overwritten line by line instead of cleared first, which would flicker.
      last = lines
      stream.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`)
    },
    close() {
      stream.write('\x1b[?25h\x1b[?1049l')
      if (keepsLast) for (const line of last) stream.write(`${line}\n`)
    },
  }
}

/** A file or a pipe: one frame below the other. */
export function plainScreen(print: (line: string) => void): Screen {
  let isFirst = true
  return {
    columns: 80,
    rows: Infinity,
    show(lines) {
      if (!isFirst) print('')
      isFirst = false
      for (const line of lines) print(line)
    },
    close() {},
  }
}
