import { Agent, get } from 'node:http'
import { describe, expect, it } from 'vitest'
import { fakeEngine, form, gate, post, silentWav, startTestServer, transcription } from './server.fixture.js'

function getStatus(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    }).on('error', reject)
  })
}

describe('drain', () => {
  it('finishes what is in flight and closes connections that are kept alive', async () => {
    const started = gate()
    const { open, opened } = gate()
    const engine = fakeEngine({
      async transcribe() {
        started.open()
        await opened
        return transcription({ text: 'finished' })
      },
    })
    const { url, service, server } = await startTestServer(engine)
    const agent = new Agent({ keepAlive: true })
    expect(await getStatus(`${url}/health`, agent)).toBe(200)
    const running = post(`${url}/asr`, form({ audio: silentWav(1) }))
    await started.opened
    service.startDraining()
    const drained = server.drain()
    expect(service.health().status).toBe('draining')
    await expect(getStatus(`${url}/health`, new Agent())).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    open()
    expect((await running).json.text).toBe('finished')
    await drained
    agent.destroy()
  })

  it('refuses new work on a connection that is still open', async () => {
    const { url, service } = await startTestServer()
    service.startDraining()
    const { status, headers, json } = await post(`${url}/asr`, form({ audio: silentWav(1) }))
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'draining', '1'])
    expect(headers.get('connection')).toBe('close')
    expect((await fetch(`${url}/health`)).status).toBe(503)
  })
})
