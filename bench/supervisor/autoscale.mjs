// Instance-seconds and waiting time of scaling rules over four load shapes; prints the table of docs/supervisor.md.
//   node bench/supervisor/autoscale.mjs
import {
  cpuRule,
  fixedRule,
  loadShapes,
  ownRule,
  simulate,
} from '../../packages/supervisor/dist/autoscale/simulate.js'

const min = 2
const max = 8
const slotsPerInstance = 4
const settings = {
  min,
  max,
  targetUtilization: 0.8,
  signals: ['queue'],
  upAfterMs: 10_000,
  downAfterMs: 300_000,
}
const rules = {
  autoscale: () => ownRule(settings, slotsPerInstance),
  'CPU above 80 %': () => cpuRule(min, max),
  [`fixed ${max}`]: () => fixedRule(max),
  [`fixed ${min}`]: () => fixedRule(min),
}

console.log('| load | rule | instance-seconds | mean wait | p99 wait | changes | turns |')
console.log('|---|---|---|---|---|---|---|')
for (const [shape, load] of Object.entries(loadShapes)) {
  for (const [name, rule] of Object.entries(rules)) {
    const result = simulate({
      load,
      durationSeconds: 1_800,
      serviceSeconds: 4,
      slotsPerInstance,
      startSeconds: 20,
      initial: min,
      rule: rule(),
    })
    const seconds = (value) => `${value.toFixed(1)} s`
    console.log(
      `| ${shape} | ${name} | ${result.instanceSeconds} | ${seconds(result.meanWaitSeconds)} | ` +
        `${seconds(result.p99WaitSeconds)} | ${result.changes} | ${result.reversals} |`,
    )
  }
}
