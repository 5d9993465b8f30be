import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import { stringify } from 'yaml'
import { ToolError } from '@asr-cluster/tools/common'
import type { Migration } from '@asr-cluster/tools/migrate'
import { isHubId } from '@asr-cluster/tools/store'
import { parseConfig } from '../../config/parse-config.js'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { readTextFile } from '../read-text-file.js'

interface ImportArgs {
  supervisor: string
  nginx: string | undefined
  output: string | undefined
  keepCommands: boolean
  force: boolean
  json: boolean
}

export const importCommand: Command<ImportArgs> = {
  command: 'import',
  describe: 'Write our configuration from those of supervisord and nginx',
  builder: (argv: Argv) =>
    argv
      .option('supervisor', { type: 'string', demandOption: true, describe: 'Configuration of supervisord' })
      .option('nginx', {
        type: 'string',
        describe: 'Configuration of nginx, for weights, limits and the port',
      })
      .option('output', { alias: 'o', type: 'string', describe: 'File to write; standard output without' })
      .option('keep-commands', {
        type: 'boolean',
        default: false,
        describe: 'Start their servers, even where our engine could run their model',
      })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite the file' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print configuration and notes as JSON',
      }) as unknown as Argv<ImportArgs>,
  run: runImport,
}

async function runImport(args: ArgumentsCamelCase<ImportArgs>, context: CliContext): Promise<number> {
  const { output, cwd } = context
  const { includedFiles, migrate } = await import('@asr-cluster/tools/migrate')
  const read = async (file: string): Promise<{ file: string; text: string }> => ({
    file,
    text: await readTextFile(resolve(cwd, file)),
  })
  const readNginx = async (file: string) => ({
    ...(await read(file)),
    find: (pattern: string) => includedFiles(pattern, dirname(resolve(cwd, file))),
  })
  const result = migrate({
    supervisor: await read(args.supervisor),
    nginx: args.nginx === undefined ? undefined : await readNginx(args.nginx),
    keepCommands: args.keepCommands,
    findModel: (model, directory) => findModel(model, resolve(cwd, directory ?? '.')),
  })
  const text = render(result, args)
  // What is written must be readable: a mistake shows here and not at the next start.
  parseConfig(text, args.output ?? 'the configuration')
  if (args.output !== undefined) await writeNew(resolve(cwd, args.output), text, args.force)
  if (args.json) output.print(JSON.stringify({ ...result, file: args.output ?? null }))
  else if (args.output === undefined) output.print(text.trimEnd())
  if (!args.json) for (const line of summary(result, args)) output.complain(line)
  return cliExit.ok
}

/** An absolute path, because our file may lie elsewhere; a hub id as it is. */
function findModel(model: string, directory: string): string | null {
  const path = resolve(directory, model)
  if (existsSync(join(path, 'config.json'))) return path
  return isHubId(model) && !existsSync(path) ? model : null
}

function render({ config }: Migration, { supervisor, nginx }: ImportArgs): string {
  const from = nginx === undefined ? supervisor : `${supervisor} and ${nginx}`
  // A name may have any character; a line break would end the comment.
  const named = from.replaceAll(/\p{Cc}/gu, (sign) => JSON.stringify(sign).slice(1, -1))
  return `# Written by \`asr-cluster import\` from ${named}. Every key is explained in docs/configuration.md.\n${stringify(config)}`
}

function summary({ unmapped, hints }: Migration, args: ImportArgs): string[] {
  const files = { supervisor: args.supervisor, nginx: args.nginx ?? '' }
  return [
    ...(args.output === undefined ? [] : [`written: ${args.output}`]),
    ...(unmapped.length === 0 ? [] : ['not mapped:']),
    ...unmapped.map(
      ({ file, path, line, setting, message }) => `  ${path ?? files[file]}:${line}: ${setting}: ${message}`,
    ),
    ...(hints.length === 0 ? [] : ['look at:']),
    ...hints.map((hint) => `  ${hint}`),
  ]
}

/** Only the owner may read it: it may hold keys. Throws ToolError rather than overwrite. */
async function writeNew(path: string, text: string, force: boolean): Promise<void> {
  try {
    if (force) await rm(path, { force: true })
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const help = code === 'EEXIST' ? 'Choose another file, or give --force.' : ''
    throw new ToolError('not_written', `${path} cannot be written: ${code}`, { cause: error, help })
  }
}
