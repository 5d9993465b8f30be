import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { repositoryRoot } from '../harness/index.js'

/** A command line in a fenced `sh` block of the documentation. */
export interface DocumentedCommand {
  /** `file:line`. */
  where: string
  text: string
}

function pages(): string[] {
  const inFolder = (folder: string): string[] =>
    existsSync(`${repositoryRoot}${folder}`)
      ? readdirSync(`${repositoryRoot}${folder}`, { recursive: true })
          .map(String)
          .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
          .map((name) => `${folder}/${name}`)
      : []
  const roots = readdirSync(repositoryRoot).filter((name) => name.endsWith('.md'))
  return [...roots, ...['docs', 'examples', 'models', 'deploy', 'config', 'bench'].flatMap(inFolder)].sort()
}

/** Every command of the documentation, without its comment; lines that end with a backslash are joined. */
export function documentedCommands(): DocumentedCommand[] {
  return pages().flatMap((page) => {
    const found: DocumentedCommand[] = []
    let inside = false
    let open: DocumentedCommand | undefined
    for (const [index, line] of readFileSync(`${repositoryRoot}${page}`, 'utf8').split('\n').entries()) {
      if (/^\s*```/.test(line)) {
        inside = /^\s*```(?:sh|bash)\b/.test(line)
        continue
      }
      if (!inside || line.trim() === '' || line.trim().startsWith('#')) continue
      const text = line.replace(/\s+#\s.*$/, '').trim()
      if (open) open.text += ` ${text.replace(/\\$/, '').trim()}`
      else found.push((open = { where: `${page}:${index + 1}`, text: text.replace(/\\$/, '').trim() }))
      if (!text.endsWith('\\')) open = undefined
    }
    return found
  })
}
