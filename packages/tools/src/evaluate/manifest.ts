import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { ToolError } from '../common/tool-error.js'

const lineSchema = z.object({
  audio: z.string().min(1),
  text: z.string(),
  language: z.string().optional(),
})

/** A recording with what it says. */
export interface ManifestClip {
  /** As in the manifest. */
  audio: string
  path: string
  text: string
  /** As in the manifest; null where it names none. */
  language: string | null
}

/**
 * Reads lines of `{"audio": …, "text": …, "language": …}`; other keys are left alone. `audio` is relative to the
 * manifest. Throws ToolError with the line.
 */
export function parseManifest(content: string, manifestPath: string, label: string): ManifestClip[] {
  const folder = dirname(manifestPath)
  // Some editors begin a file with a mark of its encoding.
  const clips = content
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '') return []
      const place = `${label}:${index + 1}`
      const parsed = lineSchema.safeParse(parseLine(line, place))
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        throw manifestError(`${place}: \`${issue?.path.join('.') || 'line'}\`: ${issue?.message}`)
      }
      const { audio, text, language } = parsed.data
      return [{ audio, path: resolve(folder, audio), text, language: language ?? null }]
    })
  if (clips.length === 0) throw manifestError(`${label} has no lines`)
  return clips
}

function parseLine(line: string, place: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw manifestError(`${place}: not JSON: ${(error as Error).message}`)
  }
}

function manifestError(message: string): ToolError {
  return new ToolError('manifest', message, {
    help: 'Each line is one JSON object: {"audio": "a.wav", "text": "what it says", "language": "en"}.',
  })
}
