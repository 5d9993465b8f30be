import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { Spool, SpoolMemory } from './spool.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spool-test-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
})

const memory = (perBodyBytes: number, totalBytes = 1e9) =>
  new SpoolMemory({ perBodyBytes, roomyBodyBytes: perBodyBytes, totalBytes })

async function readAll(spool: Spool): Promise<Buffer> {
  const body = spool.read()
  if (body === undefined) return Buffer.alloc(0)
  if (Buffer.isBuffer(body)) return body
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('Spool', () => {
  it('keeps a small body in memory and gives the memory back', async () => {
    const shared = memory(100)
    const spool = new Spool(shared, dir)
    expect(spool.write(Buffer.from('abc'))).toBeUndefined()
    expect(spool.write(Buffer.from('def'))).toBeUndefined()
    expect(spool.inFile).toBe(false)
    expect((await readAll(spool)).toString()).toBe('abcdef')
    expect((await readAll(spool)).toString()).toBe('abcdef')
    expect(shared.usedBytes).toBe(6)
    await spool.dispose()
    await spool.dispose()
    expect(shared.usedBytes).toBe(0)
  })

  it('goes on in a file without a name, byte for byte, as often as it is read', async () => {
    const spool = new Spool(memory(10), dir)
    onTestFinished(() => spool.dispose())
    const chunks = Array.from({ length: 50 }, (_, index) => Buffer.alloc(20_000 + index, index))
    await Promise.all(chunks.map(async (chunk) => spool.write(chunk)))
    const whole = Buffer.concat(chunks)
    expect(spool.inFile).toBe(true)
    expect(await readdir(dir)).toEqual([])
    const [first, second] = await Promise.all([readAll(spool), readAll(spool)])
    expect(first.equals(whole)).toBe(true)
    expect(second.equals(whole)).toBe(true)
  })

  it('splits at the limit: what was in memory stays there', async () => {
    const spool = new Spool(memory(4), dir)
    onTestFinished(() => spool.dispose())
    expect(spool.write(Buffer.from('abcd'))).toBeUndefined()
    await spool.write(Buffer.from('efg'))
    expect((await readAll(spool)).toString()).toBe('abcdefg')
    expect(spool.size).toBe(7)
  })

  it('uses files when all bodies together hold too much memory', async () => {
    const shared = memory(100, 5)
    const first = new Spool(shared, dir)
    const second = new Spool(shared, dir)
    expect(first.write(Buffer.from('abcd'))).toBeUndefined()
    await second.write(Buffer.from('efgh'))
    expect([first.inFile, second.inFile]).toEqual([false, true])
    await first.dispose()
    await second.dispose()
    expect(shared.usedBytes).toBe(0)
  })

  it('lets a body hold more memory while there is plenty', async () => {
    const shared = new SpoolMemory({ perBodyBytes: 2, roomyBodyBytes: 6, totalBytes: 20 })
    const spools = ['abcdef', 'abcdef', 'abcdef'].map((text) => {
      const spool = new Spool(shared, dir)
      return { spool, writing: spool.write(Buffer.from(text)) }
    })
    await Promise.all(spools.map(async ({ writing }) => writing))
    expect(spools.map(({ spool }) => spool.inFile)).toEqual([false, true, true])
    for (const { spool } of spools) await spool.dispose()
    expect(shared.usedBytes).toBe(0)
  })

  it('goes on in memory when the disk refuses, and gives it back', async () => {
    const shared = memory(4, 1_000)
    const spool = new Spool(shared, join(dir, 'missing'))
    for (const text of ['abc', 'defghi', 'jkl']) await spool.write(Buffer.from(text))
    expect(spool.size).toBe(12)
    for (let times = 0; times < 2; times += 1) expect((await readAll(spool)).toString()).toBe('abcdefghijkl')
    expect(shared.usedBytes).toBe(12)
    await spool.dispose()
    expect(shared.usedBytes).toBe(0)
  })

  it('rejects when the disk refuses and there is no memory left', async () => {
    const spool = new Spool(memory(1, 2), join(dir, 'missing'))
    await expect(spool.write(Buffer.from('abc'))).rejects.toMatchObject({ code: 'ENOENT' })
    await spool.dispose()
  })

  it('can be disposed of while it is written', async () => {
    const spool = new Spool(memory(1), dir)
    const writing = spool.write(Buffer.alloc(1_000_000))
    await spool.dispose()
    await writing
    expect(await readdir(dir)).toEqual([])
  })

  it('is empty without a write', async () => {
    const spool = new Spool(memory(1), dir)
    expect(spool.read()).toBeUndefined()
    await spool.dispose()
  })
})
