import type { YAMLError } from 'yaml'

/** What the parser of YAML found, for somebody who wrote a configuration and no grammar. `text` is the whole file. */
export function describeYamlError({ code, message, pos: [offset] }: YAMLError, text: string): string {
  const closing = /end with a (.)$/.exec(message)?.[1]
  if (closing !== undefined) return `a \`${closing}\` is missing, which closes what was opened before`
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'a tab; lines are indented with spaces'
    case 'DUPLICATE_KEY':
      return `the key \`${/^[^\s:]*/.exec(text.slice(offset))?.[0] ?? ''}\` is there twice`
    case 'MULTIPLE_DOCS':
      return 'a second document begins here (`---`); there may be one'
    case 'BAD_INDENT':
      return 'this line is indented differently from those that it belongs to'
    case 'MISSING_CHAR':
      return message.startsWith('Missing closing')
        ? `a ${message.includes('"') ? '`"`' : "`'`"} is missing, which closes the text`
        : 'a key without its colon: expected `KEY: VALUE`'
    case 'BAD_SCALAR_START':
      return `a text that begins with \`${message.at(-1)}\` needs quotes`
    case 'BLOCK_AS_IMPLICIT_KEY':
      return message.startsWith('Nested mappings')
        ? 'a second colon in one line: a text with `: ` in it needs quotes'
        : 'this line is indented differently from those that it belongs to'
    case 'UNEXPECTED_TOKEN':
      return 'this does not belong here: is its indentation right, or something before it missing?'
    default:
      return `no YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`
  }
}
