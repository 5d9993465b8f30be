import { resolve } from 'node:path'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { ModelVerdict } from '@asr-cluster/tools/backup'
import { findPulledModel } from '@asr-cluster/tools/store'
import { parseConfig } from '../../config/parse-config.js'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { readTextFile } from '../read-text-file.js'
import { findObstacles, planFiles, writeFiles } from '../restore-files.js'

interface RestoreArgs {
  file: string
  dir: string
  force: boolean
  dryRun: boolean
  json: boolean
}

export const restoreCommand: Command<RestoreArgs> = {
  command: 'restore <file>',
  describe: 'Write the configuration of a backup, and check the models against its checksums',
  builder: (argv: Argv) =>
    argv
      .positional('file', { type: 'string', demandOption: true, describe: 'Written by `asr-cluster backup`' })
      .option('dir', { type: 'string', default: '.', describe: 'Folder for the configuration' })
      .option('force', { type: 'boolean', default: false, describe: 'Overwrite files that are there' })
      .option('dry-run', { type: 'boolean', default: false, describe: 'Only check; write nothing' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print the outcome as JSON',
      }) as unknown as Argv<RestoreArgs>,
  run: runRestore,
}

async function runRestore(args: ArgumentsCamelCase<RestoreArgs>, context: CliContext): Promise<number> {
  const { output, cwd, env } = context
  const { checkModels, parseBackup } = await import('@asr-cluster/tools/backup')
  const backup = parseBackup(await readTextFile(resolve(cwd, args.file)), args.file)
  if (backup.config) parseConfig(backup.config.text, `${args.file} (${backup.config.name})`)
  const targets = planFiles(backup, resolve(cwd, args.dir))
  const obstacles = findObstacles(targets, args.force)
  // A dry run goes on to the models, which may be what it is for.
  if (!args.dryRun) {
    if (obstacles[0]) throw obstacles[0]
    await writeFiles(targets, args.force)
  }
  const verdicts = await checkModels(backup.models, ({ pulled }) =>
    pulled === null ? null : findPulledModel(pulled.model, env),
  )
  const isWhole = obstacles.length === 0 && verdicts.every(({ problems }) => problems.length === 0)
  const written = obstacles.length === 0 ? targets.map(({ path }) => path) : []
  if (args.json) {
    const models = verdicts.map(({ dir, problems, help }) => ({ dir, problems, help }))
    const refused = obstacles.map(({ message }) => message)
    output.print(JSON.stringify({ ok: isWhole, written, ...(args.dryRun ? { refused } : {}), models }))
  } else {
    for (const path of written) output.print(args.dryRun ? `would write ${path}` : `written: ${path}`)
    for (const { message, help } of obstacles)
      output.print(`✗ would write nothing: ${message}. ${help}`.trimEnd())
    for (const line of verdicts.flatMap(describe)) output.print(line)
  }
  return isWhole ? cliExit.ok : cliExit.failed
}

function describe({ model, dir, problems, help }: ModelVerdict): string[] {
  if (problems.length === 0) return [`✓ ${dir}: ${model.files.length} files, checksums right`]
  return [`✗ ${dir}`, ...problems.map((problem) => `  ${problem}`), `  ${help}`]
}
