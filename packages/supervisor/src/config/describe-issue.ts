import type { z } from 'zod'
import { describeExpectation, describeGot, schemaAt, suggestKey } from './expectation.js'
import type { SchemaNode } from './expectation.js'
import { configJsonSchema } from './json-schema.js'

type Path = readonly PropertyKey[]

/** Something that is wrong in a configuration. */
export interface Finding {
  path: Path
  message: string
  /** The key is wrong, not its value. */
  atKey?: boolean
}

/** What zod found, in the words of the configuration. */
export function describeIssue(issue: z.core.$ZodIssue): Finding[] {
  const root = configJsonSchema() as SchemaNode
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      return { path, message: `unknown key \`${formatPath(path)}\`${suggestKey(root, path)}`, atKey: true }
    })
  }
  const what = issue.path.length === 0 ? '' : `\`${formatPath(issue.path)}\`: `
  return [{ path: issue.path, message: what + describeValue(issue, schemaAt(root, issue.path)) }]
}

function describeValue(issue: z.core.$ZodIssue, node: SchemaNode | null): string {
  const expectation = node === null || hasOwnWords(issue) ? null : describeExpectation(node)
  if (node !== null && expectation !== null) return expected(expectation, issue.input, node)
  if (node !== null && issue.code === 'invalid_type' && issue.expected === 'string') {
    return expected('text', issue.input, node)
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().map((error) => plain(error.message))
    return [...new Set(inner)].join(', or ')
  }
  if (issue.code === 'too_small' && issue.origin === 'string') return 'must not be empty'
  return plain(issue.message)
}

function expected(what: string, input: unknown, node: SchemaNode): string {
  const quotes = what === 'text' && typeof input === 'number' ? ' (in quotes)' : ''
  return `expected ${what}${quotes}${describeGot(input, node)}`
}

/** Whether the schema itself says what is expected, better than its numbers do. */
function hasOwnWords(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_union') return issue.errors.flat().some((error) => error.code === 'custom')
  return issue.code === 'custom' || (issue.code === 'too_small' && issue.origin === 'string')
}

const plain = (message: string): string => lowerFirst(message.replace(/^Invalid (input|option): /, ''))

export function formatPath(path: Path): string {
  return path
    .map((key, index) =>
      typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key).replaceAll(/\s+/g, ' ')}`,
    )
    .join('')
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
