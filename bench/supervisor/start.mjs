// What a program takes to start, bundled against its modules one by one: node bench/supervisor/start.mjs [--rounds 7]
// Loads each in a process of its own, in turns, until all of it is there and nothing has run; needs `npm run build`.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { quantile } from '../balancer/lib/load.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } })
const programs = {
  'asr-instance': 'cli.js',
  balancer: 'cli.js',
  supervisor: 'cli/main.js',
}

const load = `
  await import(process.argv[1])
  const { user, system } = process.cpuUsage()
  console.log(JSON.stringify({ cpuMs: (user + system) / 1e3, mb: process.memoryUsage().rss / 1e6 }))
  process.exit()`

function measure(file) {
  const path = fileURLToPath(new URL(`../../packages/${file}`, import.meta.url))
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', load, path], { encoding: 'utf8' }),
  )
}

const median = (list) =>
  quantile(
    list.sort((a, b) => a - b),
    0.5,
  )

console.log('| program | modules: CPU, memory | bundled: CPU, memory | CPU, bundled to modules |')
console.log('| - | - | - | - |')
for (const [name, entry] of Object.entries(programs)) {
  const forms = {
    modules: `${name}/dist/${entry}`,
    bundled: `${name}/dist/programs/${entry.split('/').at(-1)}`,
  }
  const seen = { modules: [], bundled: [] }
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const [form, file] of Object.entries(forms)) seen[form].push(measure(file))
  const of = (form, key) => median(seen[form].map((one) => one[key]))
  const cells = Object.keys(forms).map(
    (form) => `${of(form, 'cpuMs').toFixed(0)} ms, ${of(form, 'mb').toFixed(0)} MB`,
  )
  const ratio = of('bundled', 'cpuMs') / of('modules', 'cpuMs')
  console.log(`| ${name} | ${cells.join(' | ')} | ${ratio.toFixed(2)} |`)
}
