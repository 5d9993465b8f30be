import { accessSync, constants, lstatSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { Backup } from '@asr-cluster/tools/backup'
import { ToolError } from '@asr-cluster/tools/common'
import { makeFolder } from '../world/make-folder.js'

export interface RestoredFile {
  /** The folder that nothing may leave. */
  dir: string
  path: string
  text: string
}

/** The files of a backup, as they would be below `dir`. A backup may come from anywhere. Throws ToolError not_a_backup. */
export function planFiles({ config, files }: Pick<Backup, 'config' | 'files'>, dir: string): RestoredFile[] {
  const all = [...(config ? [{ path: config.name, text: config.text }] : []), ...files]
  const targets = all.map(({ path, text }) => ({ dir, path: inside(dir, path), text }))
  const paths = targets.map(({ path }) => path)
  const twice = paths.find((path, index) => paths.indexOf(path) !== index)
  if (twice !== undefined) throw new ToolError('not_a_backup', `the backup has ${twice} twice`)
  return targets
}

function inside(dir: string, path: string): string {
  const full = join(dir, path)
  if (full.startsWith(join(dir, sep))) return full
  throw new ToolError('not_a_backup', `the backup wants to write ${path}, outside of its folder`)
}

/** All that is in the way, found before the first file is written. */
export function findObstacles(targets: readonly RestoredFile[], force: boolean): ToolError[] {
  const there = targets.filter(({ path }) => lookAt(path) !== undefined).map(({ path }) => path)
  const inTheWay = there.filter((path) => !force || lookAt(path)?.isDirectory())
  const isInTheWay =
    inTheWay.length === 0
      ? []
      : [
          new ToolError('in_the_way', `${inTheWay.join(', ')} is there already`, {
            help: force ? 'Choose another --dir.' : 'Choose another --dir, or give --force.',
          }),
        ]
  const unusable = new Set(targets.flatMap((target) => obstacleOnTheWay(target) ?? []))
  const notWritten = [...unusable].map(
    (message) => new ToolError('not_written', message, { help: 'Choose another --dir.' }),
  )
  return [...isInTheWay, ...notWritten]
}

/** What keeps a file from being made in its folder: below `dir` no link is followed. */
function obstacleOnTheWay({ dir, path }: RestoredFile): string | null {
  const below = relative(dir, dirname(path)).split(sep).filter(Boolean)
  const folders = below.map((_, index) => join(dir, ...below.slice(0, index + 1)))
  const found = folders.filter((folder) => lookAt(folder) !== undefined)
  const odd = found.find((folder) => !lookAt(folder)?.isDirectory())
  if (odd !== undefined) {
    const isLink = lookAt(odd)?.isSymbolicLink()
    return `${odd} is ${isLink ? 'a link, and nothing is written through it' : 'no folder'}`
  }
  return cannotWriteIn(found.at(-1) ?? dir)
}

/** In the folder itself, or, where that is missing, in the one that it would be made in. */
function cannotWriteIn(folder: string): string | null {
  try {
    if (!statSync(folder).isDirectory()) return `${folder} is no folder`
    accessSync(folder, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const above = dirname(folder)
    if (code === 'ENOENT' && lookAt(folder) === undefined && above !== folder) return cannotWriteIn(above)
    return `${folder} cannot be written: ${code}`
  }
}

/** Without following a link; undefined where nothing is. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    // Below what is no folder.
    return undefined
  }
}

/** They may hold keys: made anew, so that neither a mode nor a link of before counts. Throws ToolError. */
export async function writeFiles(targets: readonly RestoredFile[], force: boolean): Promise<void> {
  for (const { path, text } of targets) {
    try {
      makeFolder(dirname(path))
      if (force) await rm(path, { force: true })
      await writeFile(path, text, { mode: 0o600, flag: 'wx' })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new ToolError('not_written', `${path} cannot be written: ${code}`, { cause: error })
    }
  }
}
