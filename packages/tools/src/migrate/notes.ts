/** What `import` did with a line of theirs. */
export interface Note {
  file: 'supervisor' | 'nginx'
  /** Of the file that the line is in, where theirs includes that; else null. */
  path: string | null
  line: number
  setting: string
  message: string
}

/** Collects what could not be mapped, and what has to be looked at. */
export interface Notes {
  readonly unmappedNotes: readonly Note[]
  readonly hints: readonly string[]
  unmapped(file: Note['file'], line: number, setting: string, message: string, path?: string | null): void
  hint(text: string): void
}

export function createNotes(): Notes {
  const unmappedNotes: Note[] = []
  const hints: string[] = []
  return {
    unmappedNotes,
    hints,
    unmapped: (file, line, setting, message, path = null) =>
      void unmappedNotes.push({ file, path, line, setting, message }),
    hint: (text) => void hints.push(text),
  }
}
