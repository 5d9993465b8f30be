import type { Notes } from './notes.js'
import { parseNginx, type Directive } from './parse-nginx.js'

export interface IncludedFile {
  file: string
  /** Null where it cannot be read. */
  text: string | null
}

/** The files that an `include` names, in nginx's order. */
export type FindIncluded = (pattern: string) => IncludedFile[]

/** Puts what `include` names in its place, and notes what is not read. Throws ToolError with `file:line`. */
export function expandIncludes(
  directives: readonly Directive[],
  find: FindIncluded,
  notes: Notes,
  within: readonly string[] = [],
): Directive[] {
  return directives.flatMap((each) => {
    const { name, args, line, path, block } = each
    if (name !== 'include') {
      return [{ ...each, block: block && expandIncludes(block, find, notes, within) }]
    }
    const pattern = args[0] ?? ''
    // Types of files: nothing of it concerns a balancer.
    if (/(^|\/)mime\.types$/.test(pattern)) return []
    const note = (message: string): void => notes.unmapped('nginx', line, `include ${pattern}`, message, path)
    const found = find(pattern)
    if (found.length === 0) note('not read: there is no such file')
    return found.flatMap(({ file, text }) => {
      if (text === null || within.includes(file)) {
        note(text === null ? `not read: ${file} cannot be opened` : `not read: ${file} includes itself`)
        return []
      }
      return expandIncludes(parseNginx(text, file, file), find, notes, [...within, file])
    })
  })
}
