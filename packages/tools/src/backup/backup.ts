import { z } from 'zod'
import { ToolError } from '../common/tool-error.js'
import { compareModel, describeModel, modelFileSchema } from './describe-model.js'

const modelSchema = z.object({
  /** Groups that use it. */
  groups: z.array(z.string()),
  /** Folder when the backup was made. */
  dir: z.string(),
  /** Where it was pulled from; null for a folder that was put there by hand. */
  pulled: z.object({ model: z.string(), revision: z.string(), commit: z.string().nullable() }).nullable(),
  files: z.array(modelFileSchema),
})

export const backupSchema = z.object({
  format: z.literal('asr-cluster-backup'),
  version: z.literal(1),
  createdAt: z.string(),
  program: z.string(),
  /** The configuration as it was written, comments included; null when only defaults were in use. */
  config: z.object({ name: z.string(), text: z.string() }).nullable(),
  /** Further files that it names, relative to it: keys of the API. */
  files: z.array(z.object({ path: z.string(), text: z.string() })),
  models: z.array(modelSchema),
})
export type Backup = z.infer<typeof backupSchema>
export type BackupModel = Backup['models'][number]

export interface BackupSource extends Pick<Backup, 'createdAt' | 'program' | 'config' | 'files'> {
  models: readonly Omit<BackupModel, 'files'>[]
}

/** Describes a cluster: its configuration, and each model with the checksums of its files, not the weights themselves. */
export async function createBackup(source: BackupSource, onModel: (dir: string) => void): Promise<Backup> {
  const models: BackupModel[] = []
  for (const model of source.models) {
    onModel(model.dir)
    models.push({ ...model, files: await describeModel(model.dir) })
  }
  return { format: 'asr-cluster-backup', version: 1, ...source, models }
}

/** Throws ToolError. */
export function parseBackup(text: string, label: string): Backup {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw new ToolError('not_a_backup', `${label} is not JSON: ${(error as Error).message}`)
  }
  const parsed = backupSchema.safeParse(raw)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ToolError(
    'not_a_backup',
    `${label} is no backup of asr-cluster: \`${issue?.path.join('.') ?? ''}\`: ${issue?.message}`,
  )
}

export interface ModelVerdict {
  model: BackupModel
  /** Where it was looked for. */
  dir: string
  problems: readonly string[]
  /** What to do about them; empty where there is nothing to do. */
  help: string
}

/** Compares each model of a backup with what is on this machine. */
export async function checkModels(
  models: readonly BackupModel[],
  findDir: (model: BackupModel) => string | null,
): Promise<ModelVerdict[]> {
  const verdicts: ModelVerdict[] = []
  for (const model of models) {
    const dir = findDir(model) ?? model.dir
    const problems = await compareModel(dir, model.files)
    verdicts.push({ model, dir, problems, help: problems.length === 0 ? '' : helpFor(model, dir) })
  }
  return verdicts
}

function helpFor({ pulled }: BackupModel, dir: string): string {
  if (pulled === null) return `Copy the folder to ${dir} from where it is.`
  return `asr-cluster pull ${pulled.model} --revision ${pulled.commit ?? pulled.revision}`
}
