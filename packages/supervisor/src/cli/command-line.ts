import type { Argv } from 'yargs'
import { UsageError } from './exit-codes.js'

/**
 * Before a word that is positional whatever it looks like. yargs takes `-` for nothing, keeps what follows `--` from the
 * positionals that a command declares, and reads those that begin with a dash as options. No argument can hold this.
 */
const mark = '\0'

/** The arguments for yargs, with a mark before a bare `-` and before all that follows `--`. */
export function markPositionals(args: readonly string[]): string[] {
  // There `--` is a word that somebody has only begun to write.
  if (args.includes('--get-yargs-completions')) return [...args]
  const end = args.includes('--') ? args.indexOf('--') : args.length
  return [
    ...args.slice(0, end).map((word) => (word === '-' ? mark + word : word)),
    ...args.slice(end + 1).map((word) => mark + word),
  ]
}

export function withoutMarks(text: string): string {
  return text.replaceAll(mark, '')
}

/** Names of the positionals in a command as yargs writes it: `stop [ids..]` → `ids`. */
export function positionalsOf(command: string): string[] {
  return [...command.matchAll(/[<[](\w+)/g)].map(([, name]) => name as string)
}

/** Every option that takes a value needs one: yargs reads `--port` alone as if it were not there. */
export function requireValues<Args>(argv: Argv<Args>, positionals: readonly string[]): Argv<Args> {
  // Public in yargs, but not in its types.
  const { string, number, choices } = (argv as unknown as { getOptions(): ValuedOptions }).getOptions()
  const valued = [...string, ...number, ...Object.keys(choices)]
  return argv.requiresArg(valued.filter((key) => !positionals.includes(key)))
}

interface ValuedOptions {
  string: string[]
  number: string[]
  choices: object
}

/** Takes the marks off what yargs has read. Throws UsageError for an option given twice, or without a value of its kind. */
export function checkParsed(parsed: Record<string, unknown>, positionals: readonly string[]): void {
  for (const [key, value] of Object.entries(parsed)) {
    if (key === '_' || positionals.includes(key)) {
      parsed[key] = Array.isArray(value) ? value.map(unmark) : unmark(value)
      continue
    }
    if (Array.isArray(value)) throw new UsageError(`${flagOf(key)} was given more than once`)
    if (Number.isNaN(value)) throw new UsageError(`${flagOf(key)} must be a number`)
    if (typeof value !== 'string' || !value.startsWith(mark)) continue
    // What follows `--` is no option's value.
    if (value !== `${mark}-`) throw new UsageError(`${flagOf(key)} needs a value`)
    parsed[key] = '-'
  }
  if (parsed['port'] !== undefined) checkWholeNumber('port', parsed['port'], { max: 65_535 })
}

/** `key` as yargs names the option. Throws UsageError unless its value is a whole number within the bounds. */
export function checkWholeNumber(
  key: string,
  value: unknown,
  { min = 0, max = Infinity }: { min?: number; max?: number } = {},
): void {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return
  const range = max === Infinity ? `from ${min}` : `from ${min} to ${max}`
  throw new UsageError(`${flagOf(key)} must be a whole number ${range}`)
}

function unmark(value: unknown): unknown {
  return typeof value === 'string' ? withoutMarks(value) : value
}

function flagOf(key: string): string {
  return key.length === 1 ? `-${key}` : `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
