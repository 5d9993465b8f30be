import { basename, extname, join } from 'node:path'
import { ToolUsageError } from '../common/tool-error.js'
import type { TranscriptFormat } from './transcriber.js'

const extensions: Record<TranscriptFormat, string> = {
  text: 'txt',
  json: 'json',
  verbose_json: 'json',
  srt: 'srt',
  vtt: 'vtt',
}

/** Where each transcript goes; null for standard output. Throws ToolUsageError where two would be one file. */
export function planOutputs(
  files: readonly string[],
  format: TranscriptFormat,
  outputDir: string | null,
): (string | null)[] {
  if (outputDir === null) {
    if (files.length > 1 && (format === 'srt' || format === 'vtt')) {
      throw new ToolUsageError(`several files as ${format} need --output-dir: one ${format} file each`)
    }
    return files.map(() => null)
  }
  const paths = files.map((file) => join(outputDir, `${basename(file, extname(file))}.${extensions[format]}`))
  const double = paths.findIndex((path, index) => paths.indexOf(path) !== index)
  if (double >= 0) {
    const first = files[paths.indexOf(paths[double] as string)]
    throw new ToolUsageError(`${first} and ${files[double]} would both be written to ${paths[double]}`)
  }
  return paths
}
