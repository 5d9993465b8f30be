/** Where a tool writes. */
export interface ToolOutput {
  /** One line to standard output. */
  print: (line: string) => void
  /** One line to standard error. */
  complain: (line: string) => void
}

/** A line that is overwritten while something goes on; nothing where nobody looks. */
export interface LiveLine {
  readonly isVisible: boolean
  show(text: string): void
  /** Removes the line, so that something else can be printed. */
  clear(): void
}

export interface TerminalStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** On a terminal, the last line of it; else invisible. */
export function createLiveLine(stream: TerminalStream): LiveLine {
  const isVisible = stream.isTTY === true
  let isShown = false
  return {
    isVisible,
    show(text) {
      if (!isVisible) return
      // Wider than the terminal it would wrap, and only its last part would be overwritten.
      stream.write(`\r${text.slice(0, (stream.columns ?? 80) - 1)}\x1b[K`)
      isShown = true
    },
    clear() {
      if (isShown) stream.write('\r\x1b[K')
      isShown = false
    },
  }
}

export const noLiveLine: LiveLine = { isVisible: false, show() {}, clear() {} }
