import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../harness/index.js'
import { FakeApiServer } from './api-server.js'
import { follow } from './follow.js'
import { SliceWriter } from './real-client.js'
import { makeSlice, type Pod } from './slices.js'

const a: Pod = { name: 'asr-0', ip: '10.1.0.1' }
const b: Pod = { name: 'asr-1', ip: '10.1.0.2' }
const c: Pod = { name: 'asr-2', ip: '10.1.0.3' }

async function fake(): Promise<FakeApiServer> {
  const server = await FakeApiServer.start()
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server
}

const slice = (pods: Pod[], name = 'asr-abc') => makeSlice({ name, service: 'asr', port: 7861, pods })
const upstream = 'kubernetes+http://asr:7861'

/** With KUBECONFIG the same steps run against that cluster, with slices of a Service that does not exist there. */
const clusters = [
  { name: 'a fake API server', kubeconfig: async () => (await fake()).kubeconfig },
  ...(process.env['KUBECONFIG'] === undefined
    ? []
    : [{ name: 'the cluster of KUBECONFIG', kubeconfig: async () => process.env['KUBECONFIG'] as string }]),
]

describe.each(clusters)('a Service of $name', ({ kubeconfig }) => {
  it('is followed through every condition of its pods', async () => {
    const config = await kubeconfig()
    const service = `asr-test-${randomBytes(4).toString('hex')}`
    await using writer = new SliceWriter(config)
    const put = (pods: Pod[], name = `${service}-1`, labels = {}) =>
      writer.put(makeSlice({ name, service, port: 7861, pods, labels }))
    await put([a, { ...b, ready: false }])
    using followed = follow(config, `kubernetes+http://${service}:http`)
    await followed.shows(['asr-0 http://10.1.0.1:7861'])
    await put([a, b])
    await followed.shows(['asr-0 http://10.1.0.1:7861', 'asr-1 http://10.1.0.2:7861'])
    await put([c], `${service}-2`, { 'asr-cluster/weight': '3', 'asr-cluster/slots': '8' })
    await put([{ ...a, ready: false, serving: true, terminating: true }, b])
    await followed.shows([
      'asr-0 http://10.1.0.1:7861 draining',
      'asr-1 http://10.1.0.2:7861',
      'asr-2 http://10.1.0.3:7861 weight 3 slots 8',
    ])
    // Another pod of the same name at another address, as a StatefulSet makes it, is nothing until it is ready.
    await put([{ ...a, ip: '10.1.0.9', ready: false }, b])
    await writer.remove(`${service}-2`)
    await followed.shows(['asr-1 http://10.1.0.2:7861'])
    await put([
      { ...a, ip: '10.1.0.9' },
      { ...b, ready: false },
    ])
    await followed.shows(['asr-0 http://10.1.0.9:7861', 'asr-1 http://10.1.0.2:7861 draining'])
    await writer.remove(`${service}-1`)
    await followed.shows([])
    expect(followed.failures).toEqual([])
  })
})

describe('an API server on its bad days', () => {
  it.each(['event', 'answer'] as const)(
    'lists anew when a version has expired (410 as an %s)',
    async (expiry) => {
      const server = await fake()
      server.expiry = expiry
      server.put(slice([a]))
      using followed = follow(server.kubeconfig, upstream)
      await followed.shows(['asr-0 http://10.1.0.1:7861'])
      await waitFor(() => server.watchers === 1, { what: 'a watch' })
      server.endWatches('well')
      // Also a slice that went away unseen must go.
      server.apply('DELETED', slice([]))
      server.apply('ADDED', slice([b, c], 'asr-def'))
      server.compact()
      await followed.shows(['asr-1 http://10.1.0.2:7861', 'asr-2 http://10.1.0.3:7861'])
      expect(server.count(/^GET/)).toBe(2)
      expect(followed.failures).toEqual([])
    },
  )

  it('goes on from a bookmark, so that a compaction in quiet times needs no new list', async () => {
    const server = await fake()
    server.put(slice([a]))
    server.put(slice([c], 'asr-def'))
    using followed = follow(server.kubeconfig, upstream)
    await waitFor(() => server.watchers === 1, { what: 'a watch' })
    server.compact()
    server.bookmark()
    server.endWatches('well')
    server.put(slice([a, b]))
    const members = ['asr-0 http://10.1.0.1:7861', 'asr-1 http://10.1.0.2:7861', 'asr-2 http://10.1.0.3:7861']
    await followed.shows(members)
    expect(server.requests.filter((each) => each === 'GET')).toHaveLength(1)
  })

  it('drops a torn line and sees the change when it is told again', async () => {
    const server = await fake()
    server.put(slice([a]))
    using followed = follow(server.kubeconfig, upstream)
    await waitFor(() => server.watchers === 1, { what: 'a watch' })
    for (let turn = 0; turn < 3; turn += 1) {
      server.endWatches('mid-line')
      server.apply('MODIFIED', slice([a, turn % 2 === 0 ? b : c]))
      const other = turn % 2 === 0 ? 'asr-1 http://10.1.0.2:7861' : 'asr-2 http://10.1.0.3:7861'
      await followed.shows(['asr-0 http://10.1.0.1:7861', other])
    }
    expect(server.requests.filter((each) => each === 'GET')).toHaveLength(1)
  })

  it('keeps the last known set while the server is away, and catches up with it', async () => {
    const server = await fake()
    server.put(slice([a, b]))
    using followed = follow(server.kubeconfig, upstream)
    await followed.shows(['asr-0 http://10.1.0.1:7861', 'asr-1 http://10.1.0.2:7861'])
    await server.leave()
    await waitFor(() => followed.failures.length >= 2, { what: 'two failed tries' })
    expect(followed.members()).toHaveLength(2)
    server.apply('MODIFIED', slice([b]))
    await server.return()
    await followed.shows(['asr-1 http://10.1.0.2:7861'])
  })

  it('waits for a slow list, and reads it in pages', async () => {
    const server = await fake()
    server.pageSize = 1
    server.put(slice([a], 'asr-1'))
    server.put(slice([b], 'asr-2'))
    server.put(slice([c], 'asr-3'))
    let answer = (): void => undefined
    server.beforeList = new Promise((resolve) => (answer = resolve))
    using followed = follow(server.kubeconfig, upstream)
    await waitFor(() => server.count(/^GET/) === 1, { what: 'the list to be asked for' })
    expect(followed.members()).toBeUndefined()
    answer()
    await followed.shows(['asr-0', 'asr-1', 'asr-2'].map((name, n) => `${name} http://10.1.0.${n + 1}:7861`))
    expect(server.count(/^GET/)).toBe(3)
  })

  it('survives an ERROR event that is no expiry', async () => {
    const server = await fake()
    server.put(slice([a]))
    using followed = follow(server.kubeconfig, upstream)
    await waitFor(() => server.watchers === 1, { what: 'a watch' })
    server.sendError(500, 'etcdserver: leader changed')
    await waitFor(() => followed.failures.length === 1, { what: 'a failure' })
    server.put(slice([b]))
    await followed.shows(['asr-1 http://10.1.0.2:7861'])
    expect(followed.failures).toEqual(['API server: 500 etcdserver: leader changed'])
  })

  it('reads a rotated token again', async () => {
    const server = await fake()
    server.put(slice([a]))
    using followed = follow(server.kubeconfig, upstream)
    await waitFor(() => server.watchers === 1, { what: 'a watch' })
    server.token = 'second-token'
    server.endWatches('well')
    await waitFor(() => followed.failures.some((each) => each.includes('401')), {
      what: 'the old token to fail',
    })
    server.writeToken('second-token')
    server.put(slice([b]))
    await followed.shows(['asr-1 http://10.1.0.2:7861'])
  })
})
