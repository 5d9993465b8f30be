import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repositoryRoot, startCluster, startLoad } from '../harness/index.js'

it('starts instances under a step of load and drains them after it, without a failed request', async () => {
  await using cluster = await startCluster({
    config: {
      groups: [{ instances: 1, slots: 2 }],
      autoscale: { enabled: true, min: 1, max: 3, signals: ['queue'], upAfter: '1s', downAfter: '4s' },
    },
  })
  await using load = await startLoad(cluster.url, {
    clients: 16,
    audio: join(repositoryRoot, 'examples/hello.wav'),
  })
  const ready = ({ instances }: { instances: { state: string }[] }): number =>
    instances.filter(({ state }) => state === 'ready').length
  await cluster.statusWhen('three instances', (status) => ready(status) === 3, 60_000)
  const { failures, perInstance } = await load.stop()
  expect(failures).toEqual([])
  expect(perInstance.has('default-0')).toBe(true)
  await cluster.statusWhen('one instance', ({ instances }) => instances.length === 1, 60_000)
  // Up and down once: what is in between may take one step or two, but never turns round.
  const steps = [...cluster.program.stdout().matchAll(/autoscale default: (\d) → (\d)/g)]
  const signs = steps.map(([, from, to]) => Math.sign(Number(to) - Number(from)))
  expect(signs.toSorted((a, b) => b - a)).toEqual(signs)
})
