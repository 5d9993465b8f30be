// What does one choice among many instances cost? node bench/scaling/choice.mjs [--policy weighted-round-robin]
import { parseArgs } from 'node:util'
import { Backend } from '../../packages/balancer/dist/backend/backend.js'
import { selectBackend } from '../../packages/balancer/dist/backend/select.js'
import { policies } from '../../packages/balancer/dist/policy/index.js'

const { values } = parseArgs({ options: { policy: { type: 'string', default: 'weighted-round-robin' } } })
const policy = policies[values.policy]
const wish = { group: undefined, avoid: new Map() }
console.log('| instances | policy | µs for a choice |\n|---|---|---|')
for (const count of [8, 64, 256, 1000]) {
  const backends = Array.from({ length: count }, (_, index) => {
    const [id, group, models, url] = [String(index), 'default', [], `http://10.0.0.1:${index}`]
    const member = { id, group, models, url, weight: 1, slots: 4, draining: false, native: true }
    const backend = new Backend(member, undefined)
    backend.state = 'up'
    return backend
  })
  const choices = Math.round(2_000_000 / count)
  const run = () => {
    const startedAt = performance.now()
    for (let index = 0; index < choices; index += 1) selectBackend(backends, wish, policy, Math.random, index)
    return ((performance.now() - startedAt) * 1_000) / choices
  }
  // The least of five, because others use the machine.
  const least = Math.min(...Array.from({ length: 5 }, run))
  console.log(`| ${count} | ${values.policy} | ${least.toFixed(1)} |`)
}
