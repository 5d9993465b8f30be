import { existsSync } from 'node:fs'
import { readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { formatBytes } from '../common/format.js'
import { ToolError, ToolUsageError } from '../common/tool-error.js'
import { checkFile, type CheckedFile } from './check-file.js'
import { downloadFile } from './download-file.js'
import type { HubConnection } from './hub-connection.js'
import { listFiles, type RemoteFile, type RemoteModel } from './list-files.js'
import { isHubId } from '../store/model-id.js'
import { readPullRecord, removePullRecord, writePullRecord, type PullRecord } from '../store/model-store.js'
import type { PullProgress } from './pull-progress.js'
import { withRetries, type RetryWorld } from './retry.js'
import { selectFiles, shardsOf, type Selection } from './select-files.js'

export interface PullOptions {
  /** `ORG/NAME`. */
  id: string
  revision: string
  /** Folder of the model. */
  dir: string
}

export interface PullWorld {
  hub: HubConnection
  progress: PullProgress
  sleep: (ms: number) => Promise<void>
  random: () => number
  now: () => Date
}

/** A file that is right on the disk; `isNew` while it waits under its `.part` name. */
interface PresentFile extends CheckedFile {
  path: string
  isNew: boolean
}

/**
 * Brings a model's checkpoint into a folder: what is there and right is kept, what was begun is continued. The folder
 * changes only when all files are there, so a model in use is never half of one revision. Of several that pull into one
 * folder one works and the others wait. Throws ToolError, ToolUsageError.
 */
export async function pullModel(options: PullOptions, world: PullWorld): Promise<PullRecord> {
  const { id, revision, dir } = options
  if (!isHubId(id))
    throw new ToolUsageError(`\`${id}\` is no model of a hub: ORG/NAME, such as Qwen/Qwen3-ASR-0.6B`)
  if (!/^[\w./-]{1,200}$/.test(revision)) throw new ToolUsageError(`\`${revision}\` is no revision`)
  const { withFileLock } = await import('@asr-cluster/asr-instance')
  const retry: RetryWorld = { ...world, onRetry: (message) => world.progress.say(message) }
  const model = await withRetries(
    () => listFiles(world.hub, id, revision),
    `the list of ${id}'s files`,
    retry,
  )
  const selected = selectFiles(model.files, id)
  // Inside of the folder, which may be all that can be written, and made only now, for a model that there is.
  const lock = join(dir, '.pull.lock')
  if (existsSync(lock)) world.progress.say('another pull into the same folder is running; waiting for it')
  let record: PullRecord | undefined
  await withFileLock(lock, async () => {
    record = await pullAlone(options, model, selected, world, retry)
  })
  return record as PullRecord
}

async function pullAlone(
  options: PullOptions,
  model: RemoteModel,
  { small, weights }: Selection,
  world: PullWorld,
  retry: RetryWorld,
): Promise<PullRecord> {
  const { id, dir } = options
  const fetchAll = (files: readonly RemoteFile[]) => presentFiles(files, options, model, world, retry)
  const presentSmall = await fetchAll(small)
  const json = (path: string) => readNew(dir, presentSmall, path)
  const index = small.find(({ path }) => path.endsWith('.safetensors.index.json'))
  checkModelType(await json('config.json'), id)
  const shards = index ? shardsOf(weights, await json(index.path), id) : weights
  await checkSpace(dir, shards)
  const files = [...presentSmall, ...(await fetchAll(shards))]
  return install(options, model, files, world)
}

async function presentFiles(
  files: readonly RemoteFile[],
  { id, revision, dir }: PullOptions,
  model: RemoteModel,
  { hub, progress }: PullWorld,
  retry: RetryWorld,
): Promise<PresentFile[]> {
  const present: PresentFile[] = []
  for (const file of files) {
    progress.start(file.path, file.size)
    const kept = await keptFile(join(dir, file.path), file)
    if (kept !== null) {
      progress.finish(`${formatBytes(kept.size)}, was here`)
      present.push({ ...kept, path: file.path, isNew: false })
      continue
    }
    const fetched = await downloadFile({
      hub,
      file,
      // Of the commit that was listed, so that a push in between cannot mix two revisions.
      source: `/${id}/resolve/${encodeURIComponent(model.commit ?? revision)}/${encodeURIComponent(file.path)}`,
      partPath: join(dir, `${file.path}.part`),
      retry,
      onBytes: (bytes) => progress.bytes(bytes),
    })
    progress.finish(
      `${formatBytes(fetched.size)}${isChecked(file) ? ', checksum right' : ', the hub has no checksum'}`,
    )
    present.push({ ...fetched, path: file.path, isNew: true })
  }
  return present
}

function isChecked({ sha256, gitOid }: RemoteFile): boolean {
  return sha256 !== null || gitOid !== null
}

/** A file of an earlier pull that is the same. Without a checksum of the hub's nobody knows. */
async function keptFile(path: string, file: RemoteFile): Promise<CheckedFile | null> {
  if (!isChecked(file)) return null
  const exists = await stat(path).then(
    (info) => info.isFile(),
    () => false,
  )
  if (!exists) return null
  const result = await checkFile(path, file)
  return result.ok ? result.file : null
}

async function readNew(dir: string, files: readonly PresentFile[], path: string): Promise<unknown> {
  const isNew = files.find((file) => file.path === path)?.isNew ?? false
  const text = await readFile(join(dir, isNew ? `${path}.part` : path), 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ToolError('no_checkpoint', `${path} of the model is not JSON`, { cause: error })
  }
}

/** Before gigabytes are fetched for nothing. */
function checkModelType(config: unknown, id: string): void {
  const modelType = (config as { model_type?: unknown } | null)?.model_type
  if (modelType === 'qwen3_asr') return
  throw new ToolError(
    'no_checkpoint',
    `${id} has the model_type ${JSON.stringify(modelType)}; asr-cluster runs qwen3_asr`,
    {
      help: 'Use a Qwen3-ASR model, for example Qwen/Qwen3-ASR-0.6B.',
    },
  )
}

async function checkSpace(dir: string, files: readonly RemoteFile[]): Promise<void> {
  let missing = 0
  for (const { path, size } of files) {
    const sizes = [join(dir, path), join(dir, `${path}.part`)].map((name) =>
      stat(name).then(
        (s) => s.size,
        () => 0,
      ),
    )
    missing += Math.max(0, (size ?? 0) - Math.max(...(await Promise.all(sizes))))
  }
  const { bavail, bsize } = await statfs(dir)
  if (missing <= bavail * bsize) return
  const message = `${formatBytes(missing)} are to be fetched, ${formatBytes(bavail * bsize)} are free on the disk of ${dir}`
  throw new ToolError('disk', message, {
    help: 'Free some space, or name a folder on another disk with --dir.',
  })
}

/** Puts the new files into place and writes down what the folder is now. */
async function install(
  { id, revision, dir }: PullOptions,
  model: RemoteModel,
  files: readonly PresentFile[],
  { now }: PullWorld,
): Promise<PullRecord> {
  const before = readPullRecord(dir)
  if (files.some(({ isNew }) => isNew)) await removePullRecord(dir)
  for (const { path, isNew } of files) if (isNew) await rename(join(dir, `${path}.part`), join(dir, path))
  const names = new Set(files.map(({ path }) => path))
  // Weights of the revision before would be taken for a part of this one.
  for (const { path } of before?.files ?? []) if (!names.has(path)) await rm(join(dir, path), { force: true })
  const record: PullRecord = {
    version: 1,
    model: id,
    revision,
    commit: model.commit,
    pulledAt: now().toISOString(),
    files: files.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
  }
  await writePullRecord(dir, record)
  return record
}
