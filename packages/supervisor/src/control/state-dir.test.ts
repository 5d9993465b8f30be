import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { serveControl } from './control-server.js'
import { controlSocketPath, ensureStateDir } from './state-dir.js'

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'state-dir-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

const refusal = 'must be a folder of yours that nobody else can enter (mode 0700)'

describe('the folder of the control socket', () => {
  it('is made for us alone, and taken again', () => {
    const dir = join(folder(), 'state')
    ensureStateDir(dir)
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    ensureStateDir(dir)
  })

  it('is refused where others may enter, where it is a link or a file, or somebody else has put it there', () => {
    const parent = folder()
    const dir = join(parent, 'state')
    mkdirSync(dir, { mode: 0o700 })
    for (const mode of [0o750, 0o701, 0o770]) {
      chmodSync(dir, mode)
      expect(() => ensureStateDir(dir), mode.toString(8)).toThrow(refusal)
    }
    chmodSync(dir, 0o700)
    symlinkSync(dir, join(parent, 'link'))
    expect(() => ensureStateDir(join(parent, 'link'))).toThrow(refusal)
    writeFileSync(join(parent, 'file'), '')
    expect(() => ensureStateDir(join(parent, 'file'))).toThrow(refusal)
    if (process.getuid?.() !== 0) return
    chownSync(dir, 65_534, 65_534)
    expect(() => ensureStateDir(dir)).toThrow(refusal)
  })
})

it('says which variable names the folder where it cannot be made', () => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  expect(() => ensureStateDir(join(file, 'asr-cluster'))).toThrow(
    `${file}/asr-cluster, for the control socket, cannot be made (ENOTDIR): set XDG_RUNTIME_DIR`,
  )
})

describe('the control socket', () => {
  const api = {
    status: () => ({}),
    balancerUrl: () => '',
    certificate: async () => null,
    logs: async () => {},
    operations: {},
  }
  const closing = (server: Server): void =>
    onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))

  it('is for its owner alone, and takes the place of a dead one or of a link without touching what that leads to', async () => {
    const dir = folder()
    const path = controlSocketPath(dir, 7860)
    writeFileSync(join(dir, 'victim'), 'safe')
    symlinkSync(join(dir, 'victim'), path)
    closing(await serveControl(path, api))
    expect(statSync(path).isSocket()).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'victim')).size).toBe(4)
  })
})
