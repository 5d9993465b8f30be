import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  balancerMessageSchema,
  environment,
  hashApiKey,
  type BalancerCommand,
  type BalancerMessage,
} from '@asr-cluster/protocol'
import { request } from 'undici'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { waitFor } from './fixtures/cluster.js'
import { makeMember } from './fixtures/member.js'
import { startProgram, type Program } from './fixtures/program.js'
import { json, Upstream } from './fixtures/upstream.js'

let upstream: Upstream
beforeEach(async () => {
  upstream = await new Upstream('a').listen()
  onTestFinished(() => upstream.close())
})

async function portOf(program: Program): Promise<number> {
  await waitFor(() => program.output().includes('"msg":"listening"') || program.child.exitCode !== null)
  return Number(/"port":(\d+)/.exec(program.output())?.[1])
}

async function post(
  port: number,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const answer = await request(`http://127.0.0.1:${port}/asr`, { method: 'POST', body: 'x', headers })
  return { status: answer.statusCode, text: await answer.body.text() }
}

function messagesOf<T extends BalancerMessage['type']>(
  program: Program,
  type: T,
): Extract<BalancerMessage, { type: T }>[] {
  const all = program.messages.map((message) => balancerMessageSchema.parse(message))
  return all.filter((message): message is Extract<BalancerMessage, { type: T }> => message.type === type)
}

describe('asr-balancer on its own', () => {
  it('balances the upstreams of its command line and drains on SIGTERM', async () => {
    const program = startProgram(['--port', '0', '--upstream', `${upstream.url};id=one`])
    const port = await portOf(program)
    expect(await post(port)).toEqual({ status: 200, text: '{"text":"a"}' })
    let finish = (): void => undefined
    upstream.answer = (_, response) => (finish = () => json(response, 200, { text: 'finished' }))
    const last = post(port)
    await waitFor(() => upstream.received.length === 2)
    program.child.kill('SIGTERM')
    await waitFor(() => program.output().includes('"msg":"draining"'))
    finish()
    expect(await last).toEqual({ status: 200, text: '{"text":"finished"}' })
    expect(await program.exited).toBe(0)
  })

  it('takes the slots from the health answer of an instance', async () => {
    upstream.health = (_, response) =>
      json(response, 200, { status: 'healthy', timestamp: 't', instance: 'i', slots: 7 })
    const program = startProgram(['--port', '0', '--upstream', upstream.url])
    await portOf(program)
    await waitFor(() => program.output().includes('"slots":7'))
  })

  it('reads a configuration file, and its upstreams again on SIGHUP', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'balancer-cli-test-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const path = join(dir, 'balancer.yaml')
    const other = await new Upstream('b').listen()
    onTestFinished(() => other.close())
    await writeFile(
      path,
      `balancer: { port: 0, queue: { max: 3 } }\nupstreams:\n  - ${upstream.url};id=one;group=before\n`,
    )
    const program = startProgram(['--config', path])
    const port = await portOf(program)
    expect(await post(port, { 'x-asr-model': 'before' })).toEqual({ status: 200, text: '{"text":"a"}' })
    const refusals = (): number => program.output().split('configuration not read again').length - 1
    for (const [index, unusable] of ['upstreams: 5', '', 'balancer: {}\n', 'upstreams: []'].entries()) {
      await writeFile(path, unusable)
      program.child.kill('SIGHUP')
      await waitFor(() => refusals() === index + 1)
      expect(await post(port)).toEqual({ status: 200, text: '{"text":"a"}' })
    }
    await writeFile(path, `upstreams: ["${other.url};id=two"]`)
    program.child.kill('SIGHUP')
    await waitFor(() => program.output().includes('"instance":"two","slots":4,"msg":"instance up"'))
    expect(await post(port)).toEqual({ status: 200, text: '{"text":"b"}' })
    expect(await post(port, { 'x-asr-model': 'before' })).toMatchObject({ status: 404 })
  })

  it.each([
    [['--config', '/nowhere.yaml'], 78, '/nowhere.yaml'],
    [['--nope'], 2, 'nope'],
    [[], 2, '--upstream'],
    [['--upstream', 'x'], 2, 'http://HOST:PORT'],
    [['--upstream', 'http://a', '--queue-timeout', '5'], 78, 'queue.timeout'],
    [['--upstream', 'http://a', '--config-json', '{"port":99999}'], 78, 'port'],
    [['--upstream', 'http://a', '--config-json', '{'], 2, '--config-json'],
  ])('%j ends with %i and says why', async (args, code, text) => {
    const program = startProgram(args)
    expect(await program.exited).toBe(code)
    expect(program.output()).toContain(text)
  })

  it('says when the port is taken', async () => {
    const program = startProgram(['--upstream', 'http://a', '--port', String(upstream.port)])
    expect(await program.exited).toBe(75)
  })

  it('ends at once under another parent than the one that is named', async () => {
    const program = startProgram(['--upstream', upstream.url], { env: { [environment.supervisorPid]: '1' } })
    expect(await program.exited).toBe(1)
  })
})

describe('asr-balancer under a supervisor', () => {
  let holder: { fd: number; getsockname(out: { port?: number }): number; close(): void }
  let port: number
  beforeEach(() => {
    // Bound and never accepted on, as a supervisor holds it; a `net.Server` would take connections away.
    const { _createServerHandle: bind } = net as unknown as {
      _createServerHandle: (host: string, port: number, type: number) => typeof holder
    }
    holder = bind('127.0.0.1', 0, 4)
    const bound: { port?: number } = {}
    holder.getsockname(bound)
    port = bound.port as number
    onTestFinished(() => holder.close())
  })

  /** A balancer on the socket that this process holds. */
  function startChild(): Program {
    const args = ['--listen-fd', '3', '--config-json', '{"queue":{"timeout":"5s"}}']
    const env = { [environment.supervisorPid]: String(process.pid) }
    return startProgram(args, { stdio: ['ignore', 'pipe', 'pipe', holder.fd, 'ipc'], env })
  }

  const tell = (program: Program, command: BalancerCommand): unknown => program.child.send(command)
  const member = () => makeMember({ id: 'default-0', url: upstream.url })

  it('listens on the inherited socket, and tells its port and the state of its members', async () => {
    const program = startChild()
    await waitFor(() => messagesOf(program, 'listening').length > 0)
    expect(messagesOf(program, 'listening')).toEqual([{ type: 'listening', port }])
    tell(program, { type: 'members', members: [member()] })
    await waitFor(() => messagesOf(program, 'stats').some((stats) => stats.members[0]?.state === 'up'))
    expect(await post(port)).toMatchObject({ status: 200 })
  })

  it('keeps what arrives before the members are known', async () => {
    const program = startChild()
    await waitFor(() => messagesOf(program, 'listening').length > 0)
    const early = post(port)
    await waitFor(() => messagesOf(program, 'stats').some((stats) => stats.queueDepth === 1))
    tell(program, { type: 'members', members: [member()] })
    expect(await early).toMatchObject({ status: 200 })
  })

  it('shuts down on command: what it has is finished, then it says so', async () => {
    const program = startChild()
    tell(program, { type: 'members', members: [member()] })
    await waitFor(() => messagesOf(program, 'listening').length > 0)
    let finish = (): void => undefined
    upstream.answer = (_, response) => (finish = () => json(response, 200, { text: 'finished' }))
    const last = post(port)
    await waitFor(() => upstream.received.length === 1)
    tell(program, { type: 'shutdown' })
    await waitFor(() => program.output().includes('"msg":"draining"'))
    expect(messagesOf(program, 'drained')).toEqual([])
    finish()
    expect(await last).toMatchObject({ status: 200 })
    await waitFor(() => messagesOf(program, 'drained').length === 1)
    program.child.kill('SIGTERM')
    expect(await program.exited).toBe(0)
  })

  it('hands over to its successor without refusing or cutting a request', async () => {
    const first = startChild()
    tell(first, { type: 'members', members: [member()] })
    await waitFor(() => messagesOf(first, 'stats').some((stats) => stats.members[0]?.state === 'up'))
    let go = true
    const statuses: number[] = []
    const clients = Array.from({ length: 4 }, async () => {
      while (go) statuses.push((await post(port)).status)
    })
    const second = startChild()
    tell(second, { type: 'members', members: [member()] })
    await waitFor(() => messagesOf(second, 'stats').some((stats) => stats.members[0]?.state === 'up'))
    tell(first, { type: 'shutdown', handOver: true })
    await waitFor(() => messagesOf(first, 'drained').length === 1)
    first.child.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    const before = statuses.length
    await waitFor(() => statuses.length > before + 10)
    go = false
    await Promise.all(clients)
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })

  it('counts the keys that it is told, and says so', async () => {
    const program = startChild()
    tell(program, { type: 'members', members: [member()] })
    await waitFor(() => messagesOf(program, 'listening').length > 0)
    expect(await post(port)).toMatchObject({ status: 200 })
    tell(program, { type: 'api-keys', hashes: [hashApiKey('some-secret-key')], revision: 7 })
    await waitFor(() => messagesOf(program, 'api-keys-taken').some(({ revision }) => revision === 7))
    expect(await post(port)).toMatchObject({ status: 401 })
  })

  it('is replaced after kill -9 on the same socket: connections wait meanwhile', async () => {
    const first = startChild()
    await waitFor(() => messagesOf(first, 'listening').length > 0)
    first.child.kill('SIGKILL')
    await first.exited
    const early = post(port)
    const second = startChild()
    tell(second, { type: 'members', members: [member()] })
    expect(await early).toMatchObject({ status: 200 })
  })

  it('dies with its parent', async () => {
    const program = startChild()
    await waitFor(() => messagesOf(program, 'listening').length > 0)
    program.child.disconnect()
    expect(await program.exited).toBe(1)
  })
})
