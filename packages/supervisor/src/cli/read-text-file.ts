import { readFile } from 'node:fs/promises'
import { ToolError } from '@asr-cluster/tools/common'

/** A file that the user named. Throws ToolError no_such_file. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ToolError('no_such_file', `${path} cannot be read: ${code}`, { cause: error })
  }
}
