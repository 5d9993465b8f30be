import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gate } from '../../http/server.fixture.js'
import { removeLock, withFileLock, type LockWorld } from './file-lock.js'

/** pid 1 lives, but did not start at tick 0. */
const dead = '1 0'
/** Of another pid namespace or machine. */
const foreign = `1 0 ${'0'.repeat(16)} some-id`

async function lockPath(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'asr-lock-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return join(dir, 'entry.lock')
}

/** A clock that stands until it is moved, and a sleep that lasts until it is ended. */
function fakeWorld() {
  const sleeping = gate()
  const slept = gate()
  const renewals = new Set<() => void>()
  const clock = { nowMs: 1_000_000_000_000 }
  const world: LockWorld = {
    now: () => clock.nowMs,
    sleep: () => (sleeping.open(), slept.opened),
    every(_intervalMs, callback) {
      renewals.add(callback)
      return () => renewals.delete(callback)
    },
  }
  return { world, clock, sleeping, slept, renewals }
}

test('of two that saw the same dead holder, the later one leaves the lock of the earlier one', async () => {
  const path = await lockPath()
  await writeFile(path, dead)
  const seen = { holder: dead, renewedAt: (await stat(path)).mtimeMs }
  await withFileLock(path, async () => {
    const own = await readFile(path, 'utf8')
    expect(own).not.toBe(dead)
    await removeLock(path, seen)
    expect(await readFile(path, 'utf8')).toBe(own)
  })
  expect(await readdir(join(path, '..'))).toEqual([])
})

test('a lock that was renewed since it was looked at stays', async () => {
  const path = await lockPath()
  await writeFile(path, foreign)
  await removeLock(path, { holder: foreign, renewedAt: (await stat(path)).mtimeMs - 1_000 })
  expect(await readFile(path, 'utf8')).toBe(foreign)
})

test('a lock of another pid namespace is waited for while it is renewed, and taken over a minute later', async () => {
  const path = await lockPath()
  const { world, clock, sleeping, slept } = fakeWorld()
  await writeFile(path, foreign)
  await utimes(path, clock.nowMs / 1000, clock.nowMs / 1000)
  clock.nowMs += 59_000
  let isMine = false
  const done = withFileLock(path, async () => void (isMine = true), world)
  await sleeping.opened
  expect(isMine).toBe(false)
  expect(await readFile(path, 'utf8')).toBe(foreign)
  clock.nowMs += 1_000
  slept.open()
  await done
  expect(isMine).toBe(true)
})

test('a holder renews its lock until its work is done', async () => {
  const path = await lockPath()
  const { world, clock, renewals } = fakeWorld()
  await withFileLock(
    path,
    async () => {
      clock.nowMs += 5_000
      for (const renew of renewals) renew()
      await expect.poll(async () => (await stat(path)).mtimeMs).toBe(clock.nowMs)
    },
    world,
  )
  expect(renewals.size).toBe(0)
})

test('who was taken over does not release the lock of its successor', async () => {
  const path = await lockPath()
  await withFileLock(path, () => writeFile(path, foreign))
  expect(await readFile(path, 'utf8')).toBe(foreign)
})
