import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Answer } from '../exchange/answer.js'
import { startCluster, waitFor, type TestCluster } from '../fixtures/cluster.js'
import { decodeAnswer, encodeAnswer } from './answer-format.js'
import type { AnswerShelf } from './answer-shelf.js'
import { diskAnswers } from './disk-answers.js'
import { redisAnswers } from './redis-answers.js'

const silent = pino({ level: 'silent' })
const hasRedis = spawnSync('redis-server', ['--version']).status === 0
/** Keys are hashes. */
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')

const answer = (body: string): Answer => ({
  status: 200,
  statusText: 'OK',
  headers: ['content-type', 'application/json', 'x-request-id', 'one'],
  body: Buffer.from(body),
})

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'asr-shelf-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

/** Debian's Redis on a socket in `dir`, with nothing written to disk. Resolves when it answers. */
async function startRedis(dir: string) {
  const socket = join(dir, 'redis.sock')
  const options = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', dir]
  const child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(output)))
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('eady to accept connections')) resolve()
    })
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(stop)
  return { url: `unix://${socket}`, stop }
}

function balancerWith(...answerShelves: AnswerShelf[]): Promise<TestCluster> {
  return startCluster([undefined], { deps: { cacheMaxBytes: 1e6, answerShelves }, member: { slots: 8 } })
}

async function ask({ url }: TestCluster, audio = 'sound') {
  const form = new FormData()
  form.set('audio', new Blob([audio]), 'a.wav')
  const response = await fetch(`${url}/asr`, { method: 'POST', body: form })
  return {
    status: response.status,
    cache: response.headers.get('x-asr-cache'),
    id: response.headers.get('x-request-id'),
    text: await response.text(),
  }
}

const worked = (cluster: TestCluster): number => cluster.upstreams[0]?.received.length ?? 0

describe('a folder for answers', () => {
  it("is nobody else's to write: what is found there is given to clients", () => {
    const dir = folder()
    chmodSync(dir, 0o777)
    expect(() => diskAnswers(dir, 1_000)).toThrow('must be a folder of ours that others cannot write to')
    chmodSync(dir, 0o775)
    diskAnswers(dir, 1_000).close()
    expect(statSync(dir).mode & 0o777).toBe(0o775)
    diskAnswers(join(dir, 'new'), 1_000).close()
    expect(statSync(join(dir, 'new')).mode & 0o777).toBe(0o700)
    if (process.getuid?.() !== 0) return
    chownSync(dir, 65_534, 65_534)
    expect(() => diskAnswers(dir, 1_000)).toThrow('must be a folder of ours')
  })
})

describe('an answer as bytes', () => {
  it('is the same afterwards, and nothing when cut or foreign', () => {
    const whole = encodeAnswer(answer('{"text":"naïve\n"}'))
    expect(decodeAnswer(whole)).toEqual(answer('{"text":"naïve\n"}'))
    for (let length = 0; length < whole.length; length++) {
      expect(decodeAnswer(whole.subarray(0, length))).toBeUndefined()
    }
    expect(
      decodeAnswer(Buffer.from('{"status":404,"statusText":"","headers":[],"bodyBytes":0}\n')),
    ).toBeUndefined()
    expect(decodeAnswer(Buffer.from('hello\nworld'))).toBeUndefined()
  })
})

describe('answers on disk', () => {
  it('outlive the balancer', async () => {
    const dir = folder()
    const first = await balancerWith(diskAnswers(dir, 1e6))
    const { text, id } = await ask(first)
    await waitFor(() => readdirSync(dir).some((name) => name.endsWith('.answer1')))
    const second = await balancerWith(diskAnswers(dir, 1e6))
    const again = await ask(second)
    expect(again).toMatchObject({ status: 200, cache: 'hit', text })
    expect(again.id).not.toBe(id)
    expect(worked(second)).toBe(0)
    expect(statSync(join(dir, readdirSync(dir)[0]!)).mode & 0o077).toBe(0)
  })

  it('stay within their size, the latest used ones, also of an earlier process', async () => {
    const dir = folder()
    const size = encodeAnswer(answer('0'.repeat(1000))).length
    const shelf = diskAnswers(dir, 3 * size)
    for (const byte of [1, 2, 3]) await shelf.set(key(byte), answer(String(byte).repeat(1000)))
    // A use in the same millisecond as the writing could look like the older one.
    const before = new Date(Date.now() - 1_000)
    for (const name of readdirSync(dir)) utimesSync(join(dir, name), before, before)
    expect(await shelf.get(key(1))).toEqual(answer('1'.repeat(1000)))
    await shelf.set(key(4), answer('4'.repeat(1000)))
    expect(await shelf.get(key(2))).toBeUndefined()
    const later = diskAnswers(dir, 3 * size)
    await later.set(key(5), answer('5'.repeat(1000)))
    const kept = await Promise.all([1, 2, 3, 4, 5].map((byte) => later.get(key(byte))))
    expect(kept.map((found) => found?.body.toString()[0])).toEqual(['1', undefined, undefined, '4', '5'])
    expect(readdirSync(dir).length).toBe(3)
  })

  it('keep nothing of a process that was killed while it wrote one', async () => {
    const dir = folder()
    const { pid: gone } = spawnSync(process.execPath, ['--version'])
    const unfinished = [`aa.answer1.${gone}-0`, `bb.answer0.${process.pid}-0`, `cc.answer1.${process.pid}-1`]
    for (const name of unfinished) writeFileSync(join(dir, name), 'half an ans')
    const longAgo = new Date(Date.now() - 2 * 3_600_000)
    utimesSync(join(dir, unfinished[1]!), longAgo, longAgo)
    writeFileSync(join(dir, 'notes.txt'), 'of somebody else')
    const shelf = diskAnswers(dir, 1e6)
    await shelf.set(key(1), answer('one'))
    expect(readdirSync(dir).filter((name) => !name.endsWith('.answer1'))).toEqual([
      unfinished[2],
      'notes.txt',
    ])
  })

  it('stay within their size also where two processes write', async () => {
    const dir = folder()
    const size = encodeAnswer(answer('0'.repeat(1000))).length
    const [one, other] = [diskAnswers(dir, 4 * size), diskAnswers(dir, 4 * size)]
    for (let byte = 0; byte < 20; byte += 2) {
      await one.set(key(byte), answer('1'.repeat(1000)))
      await other.set(key(byte + 1), answer('2'.repeat(1000)))
    }
    expect(readdirSync(dir)).toHaveLength(4)
    expect((await one.get(key(19)))?.body.toString()[0]).toBe('2')
  })

  it('are none where a file is damaged, too large or gone', async () => {
    const dir = folder()
    const shelf = diskAnswers(dir, 1000)
    await shelf.set(key(1), answer('x'.repeat(2000)))
    expect(await shelf.get(key(1))).toBeUndefined()
    await shelf.set(key(2), answer('y'))
    const [file] = readdirSync(dir)
    writeFileSync(join(dir, file!), 'half an ans')
    expect(await shelf.get(key(2))).toBeUndefined()
    rmSync(join(dir, file!))
    expect(await shelf.get(key(2))).toBeUndefined()
  })
})

describe.skipIf(!hasRedis)('answers in a Redis server', () => {
  it('are shared by balancers, and asked for once', async () => {
    const { url } = await startRedis(folder())
    const [one, other] = [redisAnswers(url, silent), redisAnswers(url, silent)]
    const first = await balancerWith(one)
    const second = await balancerWith(other)
    await until(async () => (await one.set(key(0), answer('up')), (await other.get(key(0))) !== undefined))
    const { text, cache } = await ask(first)
    expect(cache).toBe('miss')
    await until(async () => (await ask(second)).cache === 'hit')
    expect(worked(second)).toBeLessThanOrEqual(1)
    expect((await ask(second)).text).toBe(text)
    expect((await ask(second, 'other sound')).cache).toBe('miss')
  })

  it('change nothing when the server is slow to come, dies, and comes back', async () => {
    const dir = folder()
    const missing = redisAnswers(`unix://${dir}/redis.sock`, silent)
    const cluster = await balancerWith(missing)
    expect(await ask(cluster, 'one')).toMatchObject({ status: 200, cache: 'miss' })
    const redis = await startRedis(dir)
    await until(
      async () => (await missing.set(key(1), answer('here')), (await missing.get(key(1))) !== undefined),
    )
    expect((await missing.get(key(1)))?.body.toString()).toBe('here')
    await redis.stop()
    expect(await ask(cluster, 'two')).toMatchObject({ status: 200, cache: 'miss' })
    expect(await missing.get(key(1))).toBeUndefined()
    await startRedis(dir)
    await until(
      async () => (await missing.set(key(2), answer('back')), (await missing.get(key(2))) !== undefined),
    )
  })
})

/** As waitFor; fails with the test's own deadline. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}
