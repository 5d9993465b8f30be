import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { RemoteFile } from './list-files.js'

export interface CheckedFile {
  size: number
  sha256: string
}

export type CheckResult = { ok: true; file: CheckedFile } | { ok: false; fault: string }

/** Compares a file on the disk with what the hub says of it. */
export async function checkFile(path: string, expected: RemoteFile): Promise<CheckResult> {
  const { size } = await stat(path)
  if (expected.size !== null && size !== expected.size) {
    return { ok: false, fault: `has ${size} bytes, the hub says ${expected.size}` }
  }
  const sha256 = createHash('sha256')
  const git = expected.gitOid === null ? null : createHash('sha1').update(`blob ${size}\0`)
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    sha256.update(chunk as Buffer)
    git?.update(chunk as Buffer)
  }
  const digest = sha256.digest('hex')
  if (expected.sha256 !== null && digest !== expected.sha256) {
    return { ok: false, fault: `has the SHA-256 ${digest}, the hub says ${expected.sha256}` }
  }
  if (git !== null && git.digest('hex') !== expected.gitOid) {
    return { ok: false, fault: `is not the content that the hub's git id names` }
  }
  return { ok: true, file: { size, sha256: digest } }
}
