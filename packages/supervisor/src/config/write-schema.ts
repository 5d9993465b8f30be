import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configJsonSchema, configTable } from './json-schema.js'
import { installationRoot } from './load-config.js'

const begin = '<!-- begin of the table that `npm run schema` writes -->'
const end = '<!-- end of the table -->'

/**
 * Writes the JSON schema and the table of defaults in the documentation. With `check` nothing is written.
 * Returns the files that differed.
 */
export function writeSchema(check: boolean, root = installationRoot): string[] {
  const documentation = join(root, 'docs/configuration.md')
  const targets: [string, string][] = [
    [join(root, 'config/asr-cluster.schema.json'), `${JSON.stringify(configJsonSchema(), null, 2)}\n`],
    [documentation, replaceTable(readFileSync(documentation, 'utf8'), configTable())],
  ]
  const differing = targets.filter(([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text)
  if (!check) for (const [path, text] of differing) writeFileSync(path, text)
  return differing.map(([path]) => path)
}

function replaceTable(text: string, table: string): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error('docs/configuration.md has lost the marks of its table')
  return `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`
}
