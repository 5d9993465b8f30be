import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { readProcess } from '../process/process-table.js'
import { claimLogFolder, logFolderOf } from './claim-folder.js'

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'claim-folder-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return join(dir, 'logs')
}

it('is the configured folder for a cluster that is alone, and leaves no mark there', () => {
  const dir = folder()
  const claimed = claimLogFolder(dir, 7860)
  expect(claimed).toMatchObject({ dir, heldBy: null })
  expect(logFolderOf(dir, 7860)).toBe(dir)
  claimed.release()
  expect(readdirSync(dir)).toEqual([])
})

it.runIf(process.platform === 'linux')(
  'is another one while a second cluster writes there, and from then on',
  async () => {
    const dir = folder()
    claimLogFolder(dir, 7860).release()
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
    await once(other, 'spawn')
    const pid = other.pid as number
    writeFileSync(join(dir, 'supervisor.pid'), `${pid} ${readProcess(pid)?.startTicks} 7860\n`)
    const apart = claimLogFolder(dir, 7870)
    expect(apart).toMatchObject({ dir: join(dir, '7870'), heldBy: { pid, port: 7860 } })
    apart.release()
    other.kill('SIGKILL')
    await once(other, 'exit')
    // The second one finds what it wrote before; the first one is where it always was.
    expect(claimLogFolder(dir, 7870)).toMatchObject({ dir: join(dir, '7870'), heldBy: null })
    expect(logFolderOf(dir, 7870)).toBe(join(dir, '7870'))
    expect(logFolderOf(dir, undefined)).toBe(dir)
    expect(claimLogFolder(dir, 7860)).toMatchObject({ dir, heldBy: null })
  },
)

it('does without a mark where none can be written', () => {
  const dir = folder()
  writeFileSync(dir, 'a file')
  expect(claimLogFolder(dir, 7860)).toMatchObject({ dir, heldBy: null })
  expect(existsSync(join(dir, '7860'))).toBe(false)
})
