import { readFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path'
import type { Argv } from 'yargs'
import { stringify } from 'yaml'
import { createLiveLine, ToolError } from '@asr-cluster/tools/common'
import { readPullRecord } from '@asr-cluster/tools/store'
import { loadConfig } from '../../config/load-config.js'
import { toInput } from '../../config/to-input.js'
import { version } from '../../version.js'
import type { Command } from '../context.js'
import { cliExit } from '../exit-codes.js'

interface BackupArgs {
  file: string
  config: string | undefined
  force: boolean
  json: boolean
}

export const backupCommand: Command<BackupArgs> = {
  command: 'backup <file>',
  describe: 'Write the configuration and the list of models, with checksums, to a file',
  builder: (argv: Argv) =>
    argv
      .positional('file', { type: 'string', demandOption: true, describe: 'JSON file to write' })
      .option('config', { alias: 'c', type: 'string', describe: 'Configuration file' })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite the file' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print what was written as JSON',
      }) as unknown as Argv<BackupArgs>,
  async run(args, context) {
    const { output, cwd } = context
    const { createBackup } = await import('@asr-cluster/tools/backup')
    const { config, file } = loadConfig({ file: args.config, cwd, insecure: true, env: context.env })
    const groupsOf = new Map<string, string[]>()
    for (const { name, model, command } of config.groups) {
      if (command === undefined) groupsOf.set(model, [...(groupsOf.get(model) ?? []), name])
    }
    const liveLine = createLiveLine(process.stderr)
    const backup = await createBackup(
      {
        createdAt: new Date().toISOString(),
        program: version,
        config:
          file === null
            ? { name: 'asr-cluster.yaml', text: stringify(toInput(config)) }
            : { name: basename(file), text: await readFile(file, 'utf8') },
        files: filesOf(file, [config.auth.apiKeysFile, config.auth.adminKeysFile]),
        models: [...groupsOf].map(([dir, groups]) => ({ dir, groups, pulled: pulledFrom(dir) })),
      },
      (dir) => liveLine.show(`checksums of ${dir}`),
    )
    liveLine.clear()
    await write(resolve(cwd, args.file), `${JSON.stringify(backup, null, 2)}\n`, args.force)
    const fileCount = backup.models.reduce((sum, { files }) => sum + files.length, 0)
    if (args.json) output.print(JSON.stringify(backup))
    else {
      output.print(
        `${args.file}: ${backup.config?.name}, ${backup.models.length} models, ${fileCount} checksums`,
      )
      output.print('It holds the API keys of the configuration, and not the weights of the models.')
    }
    return cliExit.ok
  },
}

/** A key file elsewhere on the machine is not carried along: it belongs to somebody else. */
function filesOf(
  configFile: string | null,
  keyFiles: readonly (string | undefined)[],
): { path: string; text: string }[] {
  if (configFile === null) return []
  return keyFiles.flatMap((file) => {
    const path = file === undefined ? '..' : relative(dirname(configFile), file)
    if (file === undefined || path.startsWith('..') || isAbsolute(path)) return []
    return [{ path, text: readFileSync(file, 'utf8') }]
  })
}

function pulledFrom(dir: string): { model: string; revision: string; commit: string | null } | null {
  const record = readPullRecord(dir)
  return record && { model: record.model, revision: record.revision, commit: record.commit }
}

/** Only the owner may read it: it may hold keys. Throws ToolError. */
async function write(path: string, text: string, force: boolean): Promise<void> {
  try {
    if (force) await rm(path, { force: true })
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const help = code === 'EEXIST' ? 'Choose another file, or give --force.' : ''
    throw new ToolError('not_written', `${path} cannot be written: ${code}`, { cause: error, help })
  }
}
