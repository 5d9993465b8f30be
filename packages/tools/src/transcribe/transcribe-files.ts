import { mkdir, rename, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { mapInOrder } from '../common/map-in-order.js'
import type { LiveLine, ToolOutput } from '../common/output.js'
import { describeError } from '../common/tool-error.js'
import { planOutputs } from './plan-outputs.js'
import type { Transcriber, TranscriptFormat } from './transcriber.js'

export interface TranscribeFilesOptions {
  files: readonly string[]
  language: string
  prompt: string
  format: TranscriptFormat
  /** Where each transcript becomes a file of its own; null for standard output. */
  outputDir: string | null
  cwd: string
  signal?: AbortSignal
}

export interface TranscribeFilesWorld {
  output: ToolOutput
  liveLine: LiveLine
  /** Opened when the options have been found good. */
  open: () => Promise<Transcriber>
}

/**
 * Transcribes the files, at once as far as the transcriber takes them, and prints the transcripts in the order of the
 * files. A file that fails is told on standard error and does not stop the others. Returns how many failed.
 * Throws ToolUsageError, and whatever `open` throws.
 */
export async function transcribeFiles(
  options: TranscribeFilesOptions,
  { output, liveLine, open }: TranscribeFilesWorld,
): Promise<number> {
  const { files, format, cwd } = options
  const targets = planOutputs(files, format, options.outputDir)
  await using transcriber = await open()
  if (options.outputDir !== null) await mkdir(resolve(cwd, options.outputDir), { recursive: true })
  let done = 0
  let failed = 0
  const progress = (): void => {
    if (files.length > 1) liveLine.show(`${done} of ${files.length} files`)
  }
  const results = mapInOrder(files, transcriber.concurrency, async (file) => {
    progress()
    const { language, prompt, signal } = options
    try {
      return await transcriber.transcribe({ path: resolve(cwd, file), language, prompt, format, signal })
    } finally {
      done += 1
      progress()
    }
  })
  let index = 0
  for await (const result of results) {
    const file = files[index] as string
    const target = targets[index] ?? null
    index += 1
    liveLine.clear()
    if (result.status === 'rejected') {
      failed += 1
      const [first, ...rest] = describeError(result.reason)
      for (const line of [`${file}: ${first}`, ...rest]) output.complain(line)
    } else if (target !== null) {
      await writeWhole(resolve(cwd, target), result.value)
      output.print(target)
    } else output.print(forStandardOutput(file, result.value, format, files.length > 1))
    progress()
  }
  liveLine.clear()
  return failed
}

/** Of several files each line says which it belongs to. */
function forStandardOutput(
  file: string,
  body: string,
  format: TranscriptFormat,
  isOneOfMany: boolean,
): string {
  const trimmed = body.replace(/\n+$/, '')
  if (!isOneOfMany) return trimmed
  if (format === 'text') return `${file}: ${trimmed}`
  return JSON.stringify({ file, ...(JSON.parse(body) as object) })
}

/** A reader never sees half a transcript. */
async function writeWhole(path: string, body: string): Promise<void> {
  const scratch = `${path}.${process.pid}.tmp`
  await writeFile(scratch, body.endsWith('\n') ? body : `${body}\n`)
  await rename(scratch, path)
}
