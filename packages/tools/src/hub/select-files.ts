import { ToolError } from '../common/tool-error.js'
import type { RemoteFile } from './list-files.js'

// None that begins with a dot: such names are ours, as that of the record of a pull.
const small = /^(?:[^/.][^/]*\.json|merges\.txt)$/
const weights = /^[^/.][^/]*\.safetensors$/

export interface Selection {
  /** Configuration, tokenizer and the index of the weights. */
  small: RemoteFile[]
  weights: RemoteFile[]
}

/** Of all files of a model those that the engine reads. Throws ToolError for a repository that is no checkpoint. */
export function selectFiles(files: readonly RemoteFile[], id: string): Selection {
  const selection = {
    small: files.filter(({ path }) => small.test(path)),
    weights: files.filter(({ path }) => weights.test(path)),
  }
  const names = new Set(files.map(({ path }) => path))
  const missing = ['config.json', 'vocab.json', 'merges.txt', 'tokenizer_config.json'].filter(
    (name) => !names.has(name),
  )
  if (selection.weights.length === 0) missing.push('*.safetensors')
  if (missing.length > 0) {
    throw new ToolError(
      'no_checkpoint',
      `${id} is no Qwen3-ASR checkpoint: it has no ${missing.join(', ')}`,
      {
        help: 'Use the official folders, for example Qwen/Qwen3-ASR-0.6B.',
      },
    )
  }
  return selection
}

/** A sharded checkpoint's index says which of the weight files count. Throws ToolError if one of them is missing. */
export function shardsOf(weightFiles: readonly RemoteFile[], index: unknown, id: string): RemoteFile[] {
  const map = (index as { weight_map?: unknown } | null)?.weight_map
  if (typeof map !== 'object' || map === null)
    throw new ToolError('no_checkpoint', `${id}: the index has no weight_map`)
  const wanted = [...new Set(Object.values(map as Record<string, unknown>).map(String))].sort()
  return wanted.map((name) => {
    const file = weightFiles.find(({ path }) => path === name)
    if (!file) throw new ToolError('no_checkpoint', `${id}: the index names ${name}, which the model lacks`)
    return file
  })
}
