import { readFile } from 'node:fs/promises'
import { evalDir, readEvalSet } from '../engine/eval-set.ts'

export interface SpokenClip {
  name: string
  bytes: Uint8Array<ArrayBuffer>
  /** What the model says of it, in float32 always the same. */
  text: string
}

/** The evaluation clips with the text that the reference implementation writes for them. */
export async function spokenClips(): Promise<SpokenClip[]> {
  return Promise.all(
    (await readEvalSet()).map(async (clip) => ({
      name: clip.audio,
      bytes: new Uint8Array(await readFile(`${evalDir}/${clip.audio}`)),
      text: clip.reference_output.split('<asr_text>')[1] ?? '',
    })),
  )
}

export interface Answer {
  status: number
  text: string
  code: string | undefined
  instance: string | null
}

export async function sendClip(url: string, clip: Pick<SpokenClip, 'name' | 'bytes'>): Promise<Answer> {
  const form = new FormData()
  form.set('audio', new Blob([clip.bytes]), clip.name)
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  const body = (await response.json()) as { text?: string; code?: string }
  return {
    status: response.status,
    text: body.text ?? '',
    code: body.code,
    instance: response.headers.get('x-asr-instance'),
  }
}

/** Runs `total` requests by `clients` clients, each sending its next one when the last is answered. */
export async function closedLoop<T>(
  clients: number,
  total: number,
  send: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const client = async () => {
    while (next < total) {
      const index = next++
      results[index] = await send(index)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return results
}
