import { ToolError } from '../common/tool-error.js'

/** One `key=value` of a supervisord file, with the line it begins on. */
export interface IniEntry {
  value: string
  line: number
}

export interface IniSection {
  /** Without the brackets, for example `program:asr-1`. */
  name: string
  line: number
  entries: ReadonlyMap<string, IniEntry>
}

/**
 * Reads supervisord's INI: `;` begins a comment at the start of a line or after a space, a line that is indented goes on
 * with the value before it. Throws ToolError with `file:line`.
 */
export function parseSupervisor(text: string, file: string): IniSection[] {
  const sections: { name: string; line: number; entries: Map<string, IniEntry> }[] = []
  let last: IniEntry | undefined
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1
    const content = raw.replace(/(^|\s);.*$/, '').trimEnd()
    if (content.trim() === '' || content.startsWith('#')) continue
    const header = /^\[(.+)\]$/.exec(content.trim())
    if (header) {
      sections.push({ name: (header[1] as string).trim(), line, entries: new Map() })
      last = undefined
      continue
    }
    if (/^\s/.test(content) && last) {
      last.value += ` ${content.trim()}`
      continue
    }
    const pair = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content.trim())
    const section = sections.at(-1)
    if (!pair || !section) {
      throw new ToolError('supervisor_file', `${file}:${line}: expected [section] or key=value`)
    }
    last = { value: pair[2] as string, line }
    section.entries.set((pair[1] as string).toLowerCase(), last)
  }
  return sections
}

/** Splits a command as supervisord does: by spaces, with quotes and backslashes, without a shell. */
export function splitCommand(command: string): string[] {
  const parts: string[] = []
  for (const [whole] of command.matchAll(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g)) {
    parts.push(
      whole.replaceAll(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, escaped, double, single) =>
        String(escaped ?? (double as string | undefined)?.replaceAll(/\\(.)/g, '$1') ?? single ?? ''),
      ),
    )
  }
  return parts
}

/** `A="1",B=2` → { A: '1', B: '2' }. */
export function parseEnvironment(text: string): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [, name = '', double, single, bare] of text.matchAll(
    /([A-Za-z_][\w]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,]*))(?:,|$)/g,
  )) {
    result[name] = (double ?? single ?? bare ?? '').trim()
  }
  return result
}
