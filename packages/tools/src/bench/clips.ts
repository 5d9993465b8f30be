import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { multipart } from '../client/multipart.js'
import { ToolError } from '../common/tool-error.js'

/** A recording as it is sent again and again. */
export interface Clip {
  name: string
  /** Of the sound; null where only the server can tell. */
  seconds: number | null
  contentType: string
  /** The form of the `count`th request. Each has another file name, so that no answer kept for an earlier one is given. */
  body: (count: number) => Buffer
}

const counterDigits = 10

const audioExtensions = new Set([
  '.wav',
  '.mp3',
  '.flac',
  '.ogg',
  '.opus',
  '.m4a',
  '.aac',
  '.webm',
  '.mp4',
  '.mka',
  '.mkv',
])

/** Reads a recording, or all of a folder, into requests with these form fields. Throws ToolError. */
export async function loadClips(path: string, fields: Readonly<Record<string, string>>): Promise<Clip[]> {
  const files = await listFiles(path)
  return Promise.all(files.map((file) => loadClip(file, fields)))
}

async function listFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new ToolError('no_such_file', `${path} cannot be read: ${error.code}`, { cause: error })
  })
  if (!info.isDirectory()) return [path]
  const names = (await readdir(path)).filter((name) => audioExtensions.has(extname(name).toLowerCase()))
  if (names.length > 0) return names.sort().map((name) => join(path, name))
  throw new ToolError('no_such_file', `${path} has no recordings`, {
    help: `Looked for ${[...audioExtensions].join(' ')}.`,
  })
}

async function loadClip(file: string, fields: Readonly<Record<string, string>>): Promise<Clip> {
  const content = await readFile(file)
  const mark = '#'.repeat(counterDigits)
  const form = multipart(fields, {
    field: 'file',
    fileName: `${mark}-${basename(file)}`,
    size: content.length,
    async *read() {
      yield content
    },
  })
  const template = await buffer(form.read())
  const offset = template.indexOf(mark)
  return {
    name: basename(file),
    seconds: await wavSeconds(content),
    contentType: form.headers['content-type'],
    body(count) {
      const body = Buffer.from(template)
      body.write(String(count % 10 ** counterDigits).padStart(counterDigits, '0'), offset, 'latin1')
      return body
    },
  }
}

/** Length of a WAV with plain samples; null for anything else. */
async function wavSeconds(content: Buffer): Promise<number | null> {
  const { parseWavHeader, Spool } = await import('@asr-cluster/asr-instance')
  const spool = new Spool({ memoryLimitBytes: Infinity })
  try {
    await spool.write(content)
    const wav = await parseWavHeader(spool)
    return wav.kind === 'pcm' ? wav.dataBytes / wav.frameBytes / wav.sampleRate : null
  } catch {
    return null
  } finally {
    await spool.close()
  }
}
