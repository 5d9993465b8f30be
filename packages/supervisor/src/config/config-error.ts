export interface ConfigProblem {
  /** 1-based; null where the problem has no place in the file. */
  line: number | null
  column: number | null
  message: string
}

/** The configuration cannot be used; each line of `message` is `file:line:column: what`. Exit code 78. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly file: string
  readonly problems: readonly ConfigProblem[]

  constructor(file: string, problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => formatProblem(file, problem)).join('\n'))
    this.file = file
    this.problems = problems
  }
}

/** The configuration asks for something that this machine does not have. Exit code 78. */
export class MachineMismatchError extends Error {
  override name = 'MachineMismatchError'
}

export function formatProblem(file: string, { line, column, message }: ConfigProblem): string {
  const place = line === null ? file : `${file}:${line}:${column ?? 1}`
  return `${place}: ${message}`
}
