import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { evalDir, readEvalSet } from '../engine/eval-set.ts'
import { startCluster, type TestCluster } from '../harness/index.js'
import { apiConfig, apiKey, clip, model, officialClient } from './api-client.ts'
import { hasFfmpeg } from './ffmpeg.ts'
import { appendEvents, EventLog, officialRealtime, openSession, refusedWith } from './realtime-client.ts'

let cluster: TestCluster
let dir: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'asr-realtime-'))
  cluster = await startCluster({ config: { ...apiConfig, auth: { apiKeys: [apiKey] } } })
})

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

const manual = (rate: number) => ({
  type: 'session.update',
  session: {
    type: 'transcription',
    audio: {
      input: { format: { type: 'audio/pcm', rate }, transcription: { model }, turn_detection: null },
    },
  },
})

test.skipIf(!hasFfmpeg)('the official WebSocket client gets deltas, and the text of an upload', async () => {
  const file = join(dir, 'clip-24k.wav')
  execFileSync('ffmpeg', ['-v', 'error', '-i', clip.path, '-ar', '24000', '-bitexact', file])
  const wav = await readFile(file)
  const openai = officialClient(cluster)
  const upload = await openai.audio.transcriptions.create({ file: new File([wav], 'a.wav'), model })
  const realtime = officialRealtime(openai)
  const log = new EventLog()
  realtime.on('event', (event) => log.add(event))
  try {
    await log.next('session.created')
    realtime.send(manual(24_000) as Parameters<typeof realtime.send>[0])
    await log.next('session.updated')
    for (const event of appendEvents(wav.subarray(44), 24_000)) realtime.send(event)
    realtime.send({ type: 'input_audio_buffer.commit' })
    const completed = await log.next('conversation.item.input_audio_transcription.completed')
    expect(completed.transcript).toBe(upload.text)
    expect(completed.transcript).toBe(clip.text)
    const committed = await log.next('input_audio_buffer.committed')
    expect(committed.item_id).toBe(completed.item_id)
    const deltas = log.all('conversation.item.input_audio_transcription.delta')
    expect(deltas.map(({ delta }) => delta).join('')).toBe(upload.text)
    expect(log.all('error')).toEqual([])
  } finally {
    realtime.close()
  }
})

test('server VAD ends an utterance by itself', async () => {
  await using session = await openSession(cluster.url)
  const { log } = session
  await log.next('session.created')
  const update = manual(16_000)
  const { turn_detection: _, ...input } = update.session.audio.input
  session.send({ ...update, session: { type: 'transcription', audio: { input } } })
  const speech = (await readFile(clip.path)).subarray(44)
  // A room is not silent: the detector goes by what is louder than its noise.
  const silence = Buffer.alloc(32_000)
  for (let at = 0; at < silence.length; at += 2) silence.writeInt16LE((at * 7919) % 17, at)
  for (const event of appendEvents(Buffer.concat([silence, speech, silence, silence]), 16_000)) {
    session.send(event)
  }
  const started = await log.next('input_audio_buffer.speech_started')
  const completed = await log.next('conversation.item.input_audio_transcription.completed')
  expect(completed.item_id).toBe(started.item_id)
  expect(completed.transcript).toBe(clip.text)
})

test('the final text is that of an upload, for many clips in one session', async () => {
  const clips = (await readEvalSet()).slice(0, 24)
  const openai = officialClient(cluster)
  await using session = await openSession(cluster.url)
  session.send(manual(16_000))
  for (const [index, { audio }] of clips.entries()) {
    const wav = await readFile(`${evalDir}/${audio}`)
    for (const event of appendEvents(wav.subarray(44), 16_000)) session.send(event)
    session.send({ type: 'input_audio_buffer.commit' })
    const { transcript } = await session.log.next(
      'conversation.item.input_audio_transcription.completed',
      index,
    )
    const upload = await openai.audio.transcriptions.create({ file: new File([wav], audio), model })
    expect(transcript, audio).toBe(upload.text)
  }
})

test('a minute of clips in one utterance: text while it lasts, and that of an upload in the end', async () => {
  const header = (await readFile(clip.path)).subarray(0, 44)
  const sounds = await Promise.all(
    (await readEvalSet())
      .slice(0, 20)
      .map(async ({ audio }) => (await readFile(`${evalDir}/${audio}`)).subarray(44)),
  )
  const sound = Buffer.concat(sounds)
  const wav = Buffer.concat([header, sound])
  wav.writeUInt32LE(wav.length - 8, 4)
  wav.writeUInt32LE(sound.length, 40)
  const upload = await officialClient(cluster).audio.transcriptions.create({
    file: new File([wav], 'a.wav'),
    model,
  })
  await using session = await openSession(cluster.url)
  const { log } = session
  const update = manual(16_000)
  const transcription = { model, step_seconds: 1 }
  const input = { ...update.session.audio.input, transcription }
  session.send({ ...update, session: { type: 'transcription', audio: { input } } })
  await log.next('session.updated')
  let sent = 0
  for (const event of appendEvents(sound, 16_000)) {
    session.send(event)
    // All of it at once would be transcribed without a guess, so the text of some steps is waited for.
    if (++sent % 40 === 0) await log.next('conversation.item.input_audio_transcription.delta', sent / 40 - 1)
  }
  const early = log.all('conversation.item.input_audio_transcription.delta').length
  session.send({ type: 'input_audio_buffer.commit' })
  const completed = await log.next('conversation.item.input_audio_transcription.completed')
  expect(completed.transcript).toBe(upload.text)
  expect(early).toBeGreaterThan(10)
})

test('a wrong key, and a model that is not served, are refused before the upgrade', async () => {
  expect(await refusedWith(cluster.url, {})).toBe(401)
  expect(await refusedWith(cluster.url, { authorization: 'Bearer a-wrong-key' })).toBe(401)
  await expect(openSession(cluster.url, { path: '/v1/realtime?model=gpt-9' })).rejects.toThrow(/404/)
})

test('a browser offers its key as a protocol', async () => {
  const offer = (key: string) => ({ protocols: ['realtime', `openai-insecure-api-key.${key}`] })
  await expect(openSession(cluster.url, offer('a-wrong-key'))).rejects.toThrow(/401/)
  await using session = await openSession(cluster.url, offer(apiKey))
  expect((await session.log.next('session.created')).session).toMatchObject({ type: 'transcription' })
})
