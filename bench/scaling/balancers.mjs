// What do several balancers that share nothing cost? A simulation in virtual time with the real scheduler, policies and
// replay verdict. `wait` is the latency less the service time and the network.
// node bench/scaling/balancers.mjs [--requests 40000] [--instances 8,64,256,1000] [--balancers 1,2,4,8] [--load 0.7,0.9]
//   [--policy weighted-round-robin] [--refuses true,false] [--grace 250] [--seed 1]
import { parseArgs } from 'node:util'
import { simulate } from './lib/simulate.mjs'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '40000' },
    instances: { type: 'string', default: '8,64,256,1000' },
    balancers: { type: 'string', default: '1,2,4,8' },
    load: { type: 'string', default: '0.7,0.9' },
    policy: { type: 'string', default: 'weighted-round-robin' },
    refuses: { type: 'string', default: 'true,false' },
    // How long a request that is one too many waits at the instance; asr-instance has 250 ms.
    grace: { type: 'string', default: '250' },
    seed: { type: 'string', default: '1' },
  },
})
const numbers = (text) => text.split(',').map(Number)

/** Share and length as a multiple of the mean: short dictation, a voice message, a long file. */
const mix = [
  [0.7, 0.3],
  [0.25, 1.4],
  [0.05, 8.8],
]
const meanServiceMs = 360
const slots = 4

console.log(
  '| load | instances | requests/s | balancers | own 429 | policy | mean wait | p95 | p99 | had to wait | refused sends | failed |',
)
console.log('|---|---|---|---|---|---|---|---|---|---|---|---|')
for (const load of numbers(values.load)) {
  for (const instances of numbers(values.instances)) {
    for (const balancers of numbers(values.balancers)) {
      for (const policy of values.policy.split(',')) {
        for (const refuses of values.refuses.split(',')) {
          const result = await simulate({
            balancers,
            instances,
            slots,
            load,
            meanServiceMs,
            mix,
            requests: Number(values.requests),
            refuses: refuses === 'true',
            policy,
            networkMs: 0.5,
            graceMs: Number(values.grace),
            seed: Number(values.seed),
          })
          report({ load, instances, balancers, policy, refuses, ...result })
        }
      }
    }
  }
}

function report({ load, instances, balancers, policy, refuses, perSecond, waits, refused, failed, waiting }) {
  const quantile = (q) => waits[Math.min(waits.length - 1, Math.floor(q * waits.length))]
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  const cells = [load, instances, Math.round(perSecond), balancers, refuses === 'true' ? 'yes' : 'no', policy]
  const ms = [mean, quantile(0.95), quantile(0.99)].map((each) => `${each.toFixed(each < 10 ? 1 : 0)} ms`)
  const shares = [waiting, refused].map((count) => `${((100 * count) / waits.length).toFixed(1)} %`)
  console.log(`| ${[...cells, ...ms, ...shares, failed].join(' | ')} |`)
}
