import { readJsonLines } from '../data/json-lines.js'
import { chunksOf } from './chunks-of.js'

const name = 'asr-cluster-admin-key'
/** Only a script of this page can send it: a form or a picture of another site cannot. */
const header = 'x-asr-admin-key'

/** It goes when the tab is closed. */
export function storedAdminKey(): string | null {
  return sessionStorage.getItem(name)
}

export function storeAdminKey(key: string | null): void {
  if (key === null) sessionStorage.removeItem(name)
  else sessionStorage.setItem(name, key)
}

export interface LogLine {
  id: string
  time: string
  stream: string
  text: string
}

/** In place of lines of a burst. */
export interface DroppedLines {
  dropped: number
}

export type Operation =
  | { operation: 'scale'; targets: string[] }
  | { operation: 'start' | 'stop'; ids: string[] }
  | { operation: 'restart'; ids: string[]; rolling: boolean }

/** Throws Error with a sentence for the person in front of the page. */
export async function checkAdminKey(key: string): Promise<void> {
  const gone = new AbortController()
  try {
    await ask('logs?lines=0', key, { signal: gone.signal })
  } finally {
    gone.abort()
  }
}

/** Runs an operation to its end; `onLine` gets what happens meanwhile. Returns how it ended. Throws Error. */
export async function operate(
  key: string,
  { operation, ...body }: Operation,
  onLine: (line: string) => void,
): Promise<string> {
  const response = await ask(operation, key, { method: 'POST', body: JSON.stringify(body) })
  for await (const values of readJsonLines(chunksOf(response.body))) {
    for (const value of values as { line?: string; done?: boolean; ok?: boolean; message?: string }[]) {
      if (value.line !== undefined) onLine(value.line)
      if (value.done && value.ok) return value.message ?? 'done'
      if (value.done) throw new Error(value.message ?? 'It failed.')
    }
  }
  throw new Error('The connection ended before the operation did. It goes on.')
}

/** Calls `onLines` with the last lines and then with every new one, until `signal` aborts. Throws Error. */
export async function followLogs(
  key: string,
  id: string | null,
  signal: AbortSignal,
  onLines: (lines: (LogLine | DroppedLines)[]) => void,
): Promise<void> {
  const query = id === null ? '' : `&id=${encodeURIComponent(id)}`
  const response = await ask(`logs?lines=200${query}`, key, { signal })
  for await (const values of readJsonLines(chunksOf(response.body))) {
    onLines(values as (LogLine | DroppedLines)[])
  }
}

async function ask(
  path: string,
  key: string,
  init: RequestInit,
): Promise<{ body: ReadableStream<Uint8Array<ArrayBuffer>> }> {
  const headers = { [header]: key, 'content-type': 'application/json' }
  const response = await fetch(`/api/admin/${path}`, { ...init, headers, cache: 'no-store' })
  if (response.ok && response.body) return { body: response.body }
  const refusal = (await response.json().catch(() => null)) as { error?: string; help?: string } | null
  const help = response.status === 401 ? '' : (refusal?.help ?? '')
  throw new Error(`${refusal?.error ?? `The server answers ${response.status}.`} ${help}`.trim())
}
