import { StringDecoder } from 'node:string_decoder'

/** Longer lines are cut, so that a program that never ends its line cannot fill our memory. */
export const maxLineChars = 64 * 1024

export interface SplitLine {
  text: string
  /** False for a piece of a line whose rest follows. */
  complete: boolean
}

export interface LineSplitter {
  push(chunk: Buffer): SplitLine[]
  /** What stands after the last line end. */
  end(): SplitLine[]
}

/** Cuts a byte stream into lines without their ends, whatever the chunks are. */
export function createLineSplitter(): LineSplitter {
  const decoder = new StringDecoder('utf8')
  let rest = ''

  function take(text: string): SplitLine[] {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    const lines = parts.flatMap((part) => cut(part.endsWith('\r') ? part.slice(0, -1) : part))
    while (rest.length > maxLineChars) {
      lines.push({ text: rest.slice(0, maxLineChars), complete: false })
      rest = rest.slice(maxLineChars)
    }
    return lines
  }

  return {
    push: (chunk) => take(decoder.write(chunk)),
    end() {
      const lines = take(decoder.end())
      if (rest !== '') lines.push({ text: rest, complete: true })
      rest = ''
      return lines
    },
  }
}

function cut(line: string): SplitLine[] {
  const pieces: SplitLine[] = []
  let start = 0
  for (; line.length - start > maxLineChars; start += maxLineChars) {
    pieces.push({ text: line.slice(start, start + maxLineChars), complete: false })
  }
  pieces.push({ text: line.slice(start), complete: true })
  return pieces
}
