import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { ToolError } from '@asr-cluster/tools/common'

/** Before long work whose result goes to a file: leaves the file as it is, or none. Throws ToolError not_written. */
export async function checkWritable(path: string): Promise<void> {
  const isThere = existsSync(path)
  try {
    await (await open(path, 'a')).close()
    if (!isThere) await rm(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ToolError('not_written', `${path} cannot be written: ${code}`, { cause: error })
  }
}
