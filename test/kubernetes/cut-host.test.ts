import { expect, it } from 'vitest'
import { startBalancer, waitFor } from '../harness/index.js'
import { Box, canMakeNetworks } from './box.js'
import { startCountedLoad } from './counted-load.js'

/** `node bench/scaling/cut-host.mjs` runs this with 5,000. */
const requests = Number(process.env['ASR_TEST_REQUESTS'] ?? 500)
const deadlineMs = 600_000

it.skipIf(!canMakeNetworks()).each(['unplugged', 'silent'] as const)(
  'requests of a box that drops off the network (%s) in mid-load are answered by the other',
  async (how) => {
    const common = { instances: 2, serviceMs: 40, deadlineMs }
    await using one = await Box.start({ ...common, number: 1 })
    await using two = await Box.start({ ...common, number: 2 })
    const upstreams = [one, two].map(
      (box, index) => `${box.url};id=box-${index + 1};slots=8;native=true;health=/readyz`,
    )
    await using balancer = await startBalancer({
      args: upstreams.flatMap((upstream) => ['--upstream', upstream]),
      deadlineMs,
    })
    await waitFor(async () => (await fetch(`${balancer.url}/readyz`)).ok, {
      what: 'the balancer to be ready',
    })
    const load = startCountedLoad(balancer.url, { requests, clients: 24 })
    const answered = (box: string) => load.perInstance.get(box) ?? 0
    await waitFor(() => answered('box-1') > 20 && answered('box-2') > requests / 4, {
      what: 'both boxes to answer',
      context: () => `${load.failures.join('\n')}${balancer.program.output()}`,
    })
    one.cut(how)
    const atCut = load.sent()
    await load.done
    console.log(
      `${how}: ${load.sent()} requests, ${load.failures.length} failed, cut after ${atCut}, ` +
        `box-1 ${answered('box-1')}, box-2 ${answered('box-2')}, longest ${Math.round(load.longestMs())} ms`,
    )
    expect(load.failures, balancer.program.output()).toEqual([])
    expect(answered('box-1') + answered('box-2')).toBe(load.sent())
    expect(balancer.program.stdout()).toMatch(/"instance":"box-1".*"instance removed"/)
  },
  deadlineMs,
)
