import { styleText } from 'node:util'

/** Where a command writes. */
export interface Output {
  /** One line to standard output. */
  print: (line: string) => void
  /** One line to standard error. */
  complain: (line: string) => void
  /** Colours only where somebody looks. */
  readonly isTerminal: boolean
}

export const processOutput: Output = {
  print: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
  isTerminal: process.stdout.isTTY && !process.env['NO_COLOR'],
}

type Style = Parameters<typeof styleText>[0]

export function styled(output: Output, style: Style, text: string): string {
  return output.isTerminal ? styleText(style, text) : text
}
