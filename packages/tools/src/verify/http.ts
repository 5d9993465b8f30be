import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { multipart } from '../client/multipart.js'
import { faultOf, get as getUrl, type GetAnswer } from '../client/get.js'
import { post, type PostAnswer } from '../client/post.js'
import { CheckFailure } from './check.js'

const getTimeoutMs = 10_000
const postTimeoutMs = 300_000

export interface Target {
  baseUrl: string
  headers: Readonly<Record<string, string>>
}

/** GET of a path; throws CheckFailure when nobody answers. */
export async function get({ baseUrl, headers }: Target, path: string): Promise<GetAnswer> {
  try {
    return await getUrl(`${baseUrl}${path}`, { headers, signal: AbortSignal.timeout(getTimeoutMs) })
  } catch (error) {
    throw new CheckFailure(`no answer from ${baseUrl}${path} (${faultOf(error)})`)
  }
}

export interface Upload {
  path: string
  /** Form field of the file. */
  field: string
  fields?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
}

/** Posts a file as a form; throws CheckFailure when nobody answers. */
export async function upload({ baseUrl, headers }: Target, route: string, file: Upload): Promise<PostAnswer> {
  const { size } = await stat(file.path)
  const body = multipart(file.fields ?? {}, {
    field: file.field,
    // A new name each time: a cluster that keeps answers must not answer without an instance.
    fileName: `${randomUUID()}-${basename(file.path)}`,
    size,
    read: () => createReadStream(file.path),
  })
  try {
    return await post(`${baseUrl}${route}`, body, {
      headers: { ...headers, ...file.headers },
      signal: AbortSignal.timeout(postTimeoutMs),
    })
  } catch (error) {
    throw new CheckFailure(`no answer from ${baseUrl}${route} (${faultOf(error)})`)
  }
}

/** Null for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
