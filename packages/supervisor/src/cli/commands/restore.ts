import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { Backup, ModelVerdict } from '@asr-cluster/tools/backup'
import { ToolError } from '@asr-cluster/tools/common'
import { findPulledModel } from '@asr-cluster/tools/store'
import { parseConfig } from '../../config/parse-config.js'
import type { CliContext, Command } from '../context.js'
import { cliExit } from '../exit-codes.js'
import { readTextFile } from '../read-text-file.js'

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
  const written = await writeFiles(backup, resolve(cwd, args.dir), args)
  const verdicts = await checkModels(backup.models, ({ pulled }) =>
    pulled === null ? null : findPulledModel(pulled.model, env),
  )
  const isWhole = verdicts.every(({ problems }) => problems.length === 0)
  if (args.json) {
    const models = verdicts.map(({ dir, problems, help }) => ({ dir, problems, help }))
    output.print(JSON.stringify({ ok: isWhole, written, models }))
  } else {
    for (const path of written) output.print(args.dryRun ? `would write ${path}` : `written: ${path}`)
    for (const line of verdicts.flatMap(describe)) output.print(line)
  }
  return isWhole ? cliExit.ok : cliExit.failed
}

function describe({ model, dir, problems, help }: ModelVerdict): string[] {
  if (problems.length === 0) return [`✓ ${dir}: ${model.files.length} files, checksums right`]
  return [`✗ ${dir}`, ...problems.map((problem) => `  ${problem}`), `  ${help}`]
}

/** All or nothing: what is in the way is found before the first file is written. Returns the paths. */
async function writeFiles(
  { config, files }: Backup,
  dir: string,
  { force, dryRun }: Pick<RestoreArgs, 'force' | 'dryRun'>,
): Promise<string[]> {
  const targets = [...(config ? [{ path: config.name, text: config.text }] : []), ...files].map(
    ({ path, text }) => ({ path: inside(dir, path), text }),
  )
  const inTheWay = targets.filter(({ path }) => existsSync(path))
  if (inTheWay.length > 0 && !force && !dryRun) {
    throw new ToolError('in_the_way', `${inTheWay.map(({ path }) => path).join(', ')} is there already`, {
      help: 'Choose another --dir, or give --force.',
    })
  }
  if (!dryRun) {
    for (const { path, text } of targets) {
      await mkdir(dirname(path), { recursive: true })
      // They may hold keys: made anew, so that neither a mode nor a link of before counts.
      if (force) await rm(path, { force: true })
      await writeFile(path, text, { mode: 0o600, flag: 'wx' })
    }
  }
  return targets.map(({ path }) => path)
}

/** A backup may come from anywhere: nothing in it may be written outside of the folder. Throws ToolError. */
function inside(dir: string, path: string): string {
  const full = join(dir, path)
  if (full.startsWith(`${dir}/`)) return full
  throw new ToolError('not_a_backup', `the backup wants to write ${path}, outside of its folder`)
}
