import { createServer, type AddressInfo } from 'node:net'
import type { InstanceMessage } from '@asr-cluster/protocol'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ConfigurationError } from './configuration-error.js'
import type { CreateEngineOptions } from './engine/create-engine.js'
import type { Engine } from './engine/engine.js'
import { DeviceError } from './engine/runtime/device-errors.js'
import { ask, fakeEngine, form, gate, post, silentWav } from './http/server.fixture.js'
import { runInstance } from './instance.js'
import type { InstanceOptions } from './options.js'

const options: InstanceOptions = {
  modelDir: 'models/fake',
  id: 'test-0',
  host: '127.0.0.1',
  port: 0,
  slots: 'auto',
  threads: 'auto',
  quantization: 'auto',
  device: 'auto',
  cacheDir: 'unused',
  maxBodyBytes: 1_000_000,
  maxDurationSeconds: 60,
  servedModelNames: [],
  allowUsers: null,
}

function start(
  createEngine: (given: CreateEngineOptions) => Promise<Engine>,
  overrides: Partial<InstanceOptions> = {},
  env: NodeJS.ProcessEnv = {},
) {
  const messages: InstanceMessage[] = []
  const stop = gate()
  const lost = gate()
  const listening = gate<string>()
  const ready = gate()
  let errors = ''
  const log = pino(
    {},
    {
      write(line: string) {
        const record = JSON.parse(line)
        if (record.msg === 'listening') listening.open(record.url)
      },
    },
  )
  const ended = runInstance(
    { ...options, ...overrides },
    {
      env: { ASR_INSTANCE_IDENTITY: 'me', ...env },
      supervisor: {
        lost: lost.opened,
        send(message) {
          messages.push(message)
          if (message.type === 'ready') ready.open()
        },
      },
      log,
      writeError: (text) => (errors += text),
      now: () => new Date(),
      createEngine,
      stopRequested: stop.opened,
    },
  )
  onTestFinished(async () => {
    lost.open()
    await ended
  })
  return { ended, messages, stop, lost, listening, ready, errors: () => errors }
}

describe('runInstance', () => {
  it('answers probes while the model loads, tells how far it is, serves, and drains to exit code 0', async () => {
    const loaded = gate()
    let closed = false
    const engine = fakeEngine({
      async close() {
        closed = true
      },
    })
    const run = start(async ({ onProgress }) => {
      onProgress('compile', 0.5, 'layer 1')
      await loaded.opened
      return engine
    })
    const url = await run.listening.opened
    expect(await ask(`${url}/health`, { headers: { 'x-asr-probe': '1' } })).toMatchObject({
      status: 503,
      json: { status: 'starting', identity: 'me' },
    })
    expect(run.messages).toEqual([{ type: 'progress', stage: 'compile', ratio: 0.5, detail: 'layer 1' }])
    loaded.open()
    await run.ready.opened
    expect(run.messages.at(-1)).toEqual({
      type: 'ready',
      port: Number(new URL(url).port),
      slots: 2,
      model: 'models/fake',
    })
    expect((await ask(`${url}/health`)).status).toBe(200)
    expect((await post(`${url}/asr`, form({ audio: silentWav(5) }))).json.text).toBe('5 samples')
    run.stop.open()
    expect(await run.ended).toBe(0)
    expect(closed).toBe(true)
    await expect(fetch(url)).rejects.toThrow()
  })

  it.each([
    [{ ASR_SUPERVISOR_PID: '1' }, true],
    [{}, false],
  ])('shares the cores of the machine with %j: %j', async (env, shared) => {
    const run = start(
      async ({ sharesCores }) => {
        expect(sharesCores).toBe(shared)
        return fakeEngine()
      },
      {},
      env,
    )
    await run.ready.opened
    expect(run.errors()).toBe('')
  })

  it('ends by the signal when it is stopped while it loads', async () => {
    const run = start(() => new Promise(() => {}))
    await run.listening.opened
    run.stop.open()
    expect(await run.ended).toBe('SIGTERM')
  })

  it('ends with 78 for a wrong model, and says why to both', async () => {
    const run = start(() => Promise.reject(new ConfigurationError('models/fake has no config.json')))
    expect(await run.ended).toBe(78)
    expect(run.errors()).toBe('asr-instance: models/fake has no config.json\n')
    expect(run.messages).toEqual([
      { type: 'fatal', code: 'configuration', message: 'models/fake has no config.json' },
    ])
  })

  it('ends with 1, which may be tried again, for anything else', async () => {
    const run = start(() => Promise.reject(new Error('out of memory')))
    expect(await run.ended).toBe(1)
    expect(run.errors()).toContain('out of memory')
    expect(run.messages).toEqual([{ type: 'fatal', code: 'engine', message: 'out of memory' }])
  })

  it('ends with 1 when the engine dies later', async () => {
    const run = start(async ({ onFatal }) => {
      void run.ready.opened.then(() => onFatal(new Error('thread died')))
      return fakeEngine()
    })
    expect(await run.ended).toBe(1)
    expect(run.messages.at(-1)).toEqual({ type: 'fatal', code: 'engine', message: 'thread died' })
  })

  it.each(['during a drain', 'while it is closed'])(
    'ends as otherwise when the engine dies %s',
    async (when) => {
      const asked = gate()
      let die: (error: Error) => void = () => {}
      const run = start(async ({ onFatal }) => {
        die = onFatal
        return fakeEngine({
          transcribe: () => (asked.open(), new Promise(() => {})),
          close: () => (asked.open(), new Promise(() => {})),
        })
      })
      const url = await run.listening.opened
      await run.ready.opened
      if (when === 'during a drain') {
        post(`${url}/asr`, form({ audio: silentWav(5) })).catch(() => {})
        await asked.opened
      }
      run.stop.open()
      await asked.opened
      die(new DeviceError('the device hangs', true))
      expect(await run.ended).toBe('SIGKILL')
      expect(run.messages.at(-1)).toMatchObject({ type: 'fatal', code: 'device' })
    },
  )

  it('ends with 75 when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const run = start(async () => fakeEngine(), { port })
    expect(await run.ended).toBe(75)
    expect(run.errors()).toBe(`asr-instance: the port of 127.0.0.1:${port} is in use by another process\n`)
    expect(run.messages).toMatchObject([{ type: 'fatal', code: 'port_in_use' }])
  })

  it('ends with 78 when it cannot listen for another reason', async () => {
    const run = start(async () => fakeEngine(), { host: '192.0.2.1' })
    expect(await run.ended).toBe(78)
    expect(run.errors()).toContain('cannot listen on 192.0.2.1:0')
  })

  it('ends at once when the supervisor is gone', async () => {
    const run = start(() => new Promise(() => {}))
    run.lost.open()
    expect(await run.ended).toBe('SIGKILL')
  })
})
