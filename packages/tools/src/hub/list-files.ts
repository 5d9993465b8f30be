import { z } from 'zod'
import { ToolError } from '../common/tool-error.js'
import { isSafePath } from '../store/safe-path.js'
import type { HubConnection } from './hub-connection.js'
import { connectionFault } from './hub-connection.js'

/** A file of a model on the hub; what the hub does not tell is null. */
export interface RemoteFile {
  path: string
  size: number | null
  /** Lower-case hex; large files have it. */
  sha256: string | null
  /** Git's object id (SHA-1 over a header and the content); all files have it. */
  gitOid: string | null
}

export interface RemoteModel {
  commit: string | null
  files: RemoteFile[]
}

const infoSchema = z.object({
  sha: z
    .string()
    .regex(/^[\w.-]+$/)
    .nullish(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.int().min(0).nullish(),
      blobId: z.string().nullish(),
      lfs: z
        .object({ sha256: z.string().nullish(), oid: z.string().nullish(), size: z.int().nullish() })
        .nullish(),
    }),
  ),
})

const longestListing = 16e6

/** Lists a revision of a model. Throws ToolError, TransferError. */
export async function listFiles(hub: HubConnection, id: string, revision: string): Promise<RemoteModel> {
  const what = revision === 'main' ? `model ${id}` : `revision ${revision} of model ${id}`
  const path = `/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`
  const { body } = await hub.get(path, what)
  let text = ''
  try {
    for await (const chunk of body.setEncoding('utf8')) {
      text += chunk as string
      if (text.length > longestListing)
        throw new ToolError('hub_answer', `${what}: the list of files is too long`)
    }
  } catch (error) {
    if (error instanceof ToolError) throw error
    throw connectionFault(error, new URL(hub.endpoint).host)
  }
  return parseListing(text, what)
}

/** Throws ToolError for an answer that is not the hub protocol's, and for a file name that leaves its folder. */
export function parseListing(text: string, what: string): RemoteModel {
  const parsed = infoSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    throw new ToolError('hub_answer', `${what}: the answer is not that of a Hugging Face hub`, {
      help: 'Check HF_ENDPOINT.',
    })
  }
  const files = parsed.data.siblings.map(({ rfilename, size, blobId, lfs }) => {
    if (!isSafePath(rfilename)) {
      throw new ToolError('hub_answer', `${what}: refused for the file name ${JSON.stringify(rfilename)}`)
    }
    return {
      path: rfilename,
      size: lfs?.size ?? size ?? null,
      sha256: hexOf(lfs?.sha256 ?? lfs?.oid, 64),
      gitOid: lfs ? null : hexOf(blobId, 40),
    }
  })
  return { commit: parsed.data.sha ?? null, files }
}

function hexOf(text: string | null | undefined, length: number): string | null {
  const hex = text?.replace(/^sha256:/, '').toLowerCase()
  return hex !== undefined && hex.length === length && /^[0-9a-f]+$/.test(hex) ? hex : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
