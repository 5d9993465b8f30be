import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, FormData, request } from 'undici'
import { seededRandom } from '../../balancer/lib/random.mjs'
import { sleep } from './processes.mjs'

const repository = new URL('../../../', import.meta.url)
/** Connections that broke are tried again for so long, as any client does with a request that changes nothing. */
const givingUpMs = 60_000

/**
 * Open loop: the times of the requests are drawn beforehand, and none waits for the answer of another one. Every body is
 * unique and its answer known. Resolves with one record for each request; where `onRecord` takes them, each when it is
 * answered, none is kept: hundreds of thousands make this process's own pauses longer, which look like the cluster's.
 */
export async function openLoop(options, isOver = () => false) {
  const { url, key, requests, rate, seed, prefix, demoShare = 0, largeShare = 0, onRecord } = options
  const random = seededRandom(seed)
  const noise = Buffer.from(Array.from({ length: 1 << 16 }, () => Math.floor(random() * 256)))
  const filler = Buffer.concat(Array.from({ length: 160 }, () => noise))
  const clip = readFileSync(new URL('examples/hello.wav', repository))
  const dispatcher = new Agent({ headersTimeout: 120_000, bodyTimeout: 120_000, connections: 256 })
  const records = []
  const running = new Set()
  const startedAt = performance.now()
  let at = 0

  for (let number = 0; number < requests && !isOver(); number += 1) {
    at += (-Math.log(1 - random()) / rate) * 1_000
    const kind = random()
    const size = kind < largeShare ? 9_000_000 : Math.floor(100 * 5_000 ** random())
    const isDemo = kind > 1 - demoShare
    const wait = startedAt + at - performance.now()
    if (wait > 1) await sleep(wait)
    const id = `${prefix}-${number}`
    const record = { id, at: Date.now(), isDemo, breaks: [], outcome: 'lost', latencyMs: 0 }
    if (!onRecord) records.push(record)
    const due = startedAt + at
    const work = (isDemo ? askDemo(record) : askHash(record, number, size)).then(() => {
      record.latencyMs = performance.now() - due
      running.delete(work)
      onRecord?.(record)
    })
    running.add(work)
  }
  await Promise.all(running)
  await dispatcher.destroy()
  return records

  async function send(record, path, headers, makeBody) {
    const until = performance.now() + givingUpMs
    for (;;) {
      try {
        const answer = await request(`${url}${path}`, {
          method: 'POST',
          body: makeBody(),
          headers: { authorization: `Bearer ${key}`, 'x-request-id': record.id, ...headers },
          dispatcher,
        })
        return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
      } catch (error) {
        record.breaks.push({ at: Date.now(), code: error.code ?? error.message })
        if (performance.now() > until) return null
        await sleep(100)
      }
    }
  }

  async function askHash(record, number, size) {
    const offset = number % 60_000
    const body = Buffer.from(filler.subarray(offset, offset + size))
    body.write(record.id)
    const expected = createHash('sha256').update(body).digest('hex')
    judge(
      record,
      await send(record, '/asr', { 'x-asr-model': 'hash' }, () => body),
      ({ sha256 }) => sha256 === expected,
    )
  }

  async function askDemo(record) {
    const makeBody = () => {
      const form = new FormData()
      form.set('audio', new Blob([withNote(clip, record.id)]), 'hello.wav')
      return form
    }
    const answer = await send(record, '/asr', { 'x-asr-model': 'demo' }, makeBody)
    judge(record, answer, ({ text }) => text === options.demoText)
  }
}

function judge(record, answer, isRight) {
  if (answer === null) return
  record.instance = answer.headers['x-asr-instance']
  if (answer.status !== 200) {
    record.detail = `${answer.status} ${answer.text.slice(0, 200)}`
    record.code = answer.status
    return
  }
  let body = null
  try {
    body = JSON.parse(answer.text)
  } catch {
    // Judged below: half an answer is a wrong one.
  }
  const isOwn = answer.headers['x-request-id'] === record.id
  record.outcome = body !== null && isOwn && isRight(body) ? 'right' : 'wrong'
  if (record.outcome === 'wrong') record.detail = answer.text.slice(0, 200)
}

/** The same sound with a chunk at the end that makes the file unique. */
function withNote(wav, text) {
  const note = Buffer.alloc(8 + text.length + (text.length % 2))
  note.write('note', 0)
  note.writeUInt32LE(text.length + (text.length % 2), 4)
  note.write(text, 8)
  const whole = Buffer.concat([wav, note])
  whole.writeUInt32LE(whole.length - 8, 4)
  return whole
}
