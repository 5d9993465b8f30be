import { ToolError } from '../common/tool-error.js'

/** One directive of nginx, with its block where it has one. */
export interface Directive {
  name: string
  args: readonly string[]
  line: number
  /** Of the file it stands in, where another includes that; else null. */
  path: string | null
  block: readonly Directive[] | null
}

interface Token {
  text: string
  line: number
  isQuoted: boolean
}

/** Reads nginx's configuration syntax; `include` is a directive as any other. Throws ToolError with `file:line`. */
export function parseNginx(text: string, file: string, path: string | null = null): Directive[] {
  const tokens = tokenise(text)
  let next = 0

  function block(depth: number): Directive[] {
    const directives: Directive[] = []
    for (;;) {
      const first = tokens[next++]
      if (!first) {
        if (depth > 0) throw wrong(tokens.at(-1)?.line ?? 1, 'a `}` is missing')
        return directives
      }
      if (isSign(first, '}')) {
        if (depth === 0) throw wrong(first.line, 'a `}` too many')
        return directives
      }
      if (isSign(first, ';')) continue
      directives.push(directive(first, depth))
    }
  }

  function directive(first: Token, depth: number): Directive {
    const args: string[] = []
    for (;;) {
      const token = tokens[next++]
      if (!token || isSign(token, '}')) throw wrong(first.line, `\`${first.text}\` has no \`;\``)
      const about = { name: first.text, args, line: first.line, path }
      if (isSign(token, ';')) return { ...about, block: null }
      if (isSign(token, '{')) return { ...about, block: block(depth + 1) }
      args.push(token.text)
    }
  }

  function wrong(line: number, message: string): ToolError {
    return new ToolError('nginx_file', `${file}:${line}: ${message}`)
  }

  return block(0)
}

function isSign(token: Token, sign: string): boolean {
  return !token.isQuoted && token.text === sign
}

function tokenise(text: string): Token[] {
  const tokens: Token[] = []
  let line = 1
  for (const [whole] of text.matchAll(
    /\n|#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[{};]|(?:[^\s{};"'#\\]|\\.|\$\{[^}]*\})+|\\/gs,
  )) {
    const isQuoted = whole.startsWith('"') || whole.startsWith("'")
    if (whole !== '\n' && !whole.startsWith('#')) {
      tokens.push({ text: isQuoted ? whole.slice(1, -1) : whole, line, isQuoted })
    }
    line += whole.split('\n').length - 1
  }
  return tokens
}
