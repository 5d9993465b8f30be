import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Spool } from './spool.js'

async function makeSpool(memoryLimitBytes: number): Promise<{ spool: Spool; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'spool-test-'))
  const spool = new Spool({ memoryLimitBytes, directory })
  onTestFinished(async () => {
    await spool.close()
    await rm(directory, { recursive: true })
  })
  return { spool, directory }
}

async function readAll(spool: Spool, start?: number, end?: number): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of spool.read(start, end)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

describe('Spool', () => {
  it.each([100, 5, 0])('reads back what was written with %i bytes of memory', async (memoryLimitBytes) => {
    const { spool } = await makeSpool(memoryLimitBytes)
    for (const part of ['abc', '', 'defg', 'h']) await spool.write(Buffer.from(part))
    expect(spool.size).toBe(8)
    expect(spool.inMemory).toBe(memoryLimitBytes >= 8)
    expect(await readAll(spool)).toBe('abcdefgh')
    expect(await readAll(spool, 2, 5)).toBe('cde')
    expect((await spool.readAt(6, 100)).toString()).toBe('gh')
    expect((await spool.readAt(8, 1)).length).toBe(0)
    expect((await spool.readAt(900, 1)).length).toBe(0)
  })

  it('stays in memory when the disk refuses', async () => {
    const spool = new Spool({ memoryLimitBytes: 4, directory: join(tmpdir(), 'missing', 'folder') })
    for (const part of ['abc', 'defg', 'hij']) await spool.write(Buffer.from(part))
    expect(spool.size).toBe(10)
    expect(await readAll(spool)).toBe('abcdefghij')
    await spool.close()
  })

  it('comes back to memory when the disk becomes full', async () => {
    const { spool } = await makeSpool(1)
    await spool.write(Buffer.from('abc'))
    const file = await spool.file()
    vi.spyOn(file, 'write').mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    await spool.write(Buffer.from('def'))
    await spool.write(Buffer.from('ghi'))
    expect(spool.inMemory).toBe(true)
    expect(await readAll(spool)).toBe('abcdefghi')
  })

  it('makes a file elsewhere when the disk refuses', async () => {
    const directory = join(tmpdir(), 'missing', 'folder')
    const fallbackDirectory = await mkdtemp(join(tmpdir(), 'spool-test-'))
    onTestFinished(() => rm(fallbackDirectory, { recursive: true }))
    const spool = new Spool({ memoryLimitBytes: 4, directory, fallbackDirectory })
    for (const part of ['abc', 'defg']) await spool.write(Buffer.from(part))
    expect((await (await spool.file()).stat()).size).toBe(7)
    expect(await readAll(spool)).toBe('abcdefg')
    expect(await readdir(fallbackDirectory)).toEqual([])
    await spool.close()
  })

  it('names the temporary folder when no file can be made', async () => {
    const directory = join(tmpdir(), 'missing', 'folder')
    const spool = new Spool({ directory, fallbackDirectory: directory })
    await spool.write(Buffer.from('abc'))
    await expect(spool.file()).rejects.toMatchObject({
      code: 'internal',
      message: `The server cannot write a file to its temporary folder ${directory} (ENOENT).`,
    })
    expect(await readAll(spool)).toBe('abc')
  })

  it('leaves no name in the directory and keeps others out of the file', async () => {
    const { spool, directory } = await makeSpool(0)
    await spool.write(Buffer.from('secret'))
    expect(await readdir(directory)).toEqual([])
    expect((await (await spool.file()).stat()).mode & 0o777).toBe(0o600)
  })

  it('turns memory into a file when one is asked for', async () => {
    const { spool } = await makeSpool(100)
    await spool.write(Buffer.from('abc'))
    const file = await spool.file()
    expect((await file.stat()).size).toBe(3)
    expect(await readAll(spool)).toBe('abc')
  })

  it('keeps its bytes when the buffer of the writer is used again', async () => {
    const { spool } = await makeSpool(100)
    const buffer = Buffer.from('abc')
    await spool.write(buffer)
    buffer.fill('x')
    expect(await readAll(spool)).toBe('abc')
  })
})
