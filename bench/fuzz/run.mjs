// Seeded fuzzing, in this process: node bench/fuzz/run.mjs [--inputs 100000] [--seed 1] [--target wav] [--corpus DIR]
// A crash is any error that is none of the catalogue; a hang is an input that takes more than 10 s.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutator } from './lib/mutate.mjs'

/** Of 100 inputs; what goes through a socket costs a hundred times more. */
const shares = { multipart: 25, wav: 25, safetensors: 10, config: 10, control: 5, http: 15, instance: 10 }
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    corpus: { type: 'string', default: new URL('../../test/faults/corpus', import.meta.url).pathname },
    'hang-s': { type: 'string', default: '10' },
  },
})
const hangMs = Number(values['hang-s']) * 1_000
const findings = []
let total = 0
// An error that nobody awaited is a crash of the program too.
let stray = null
process.on('uncaughtException', (error) => (stray = error))
process.on('unhandledRejection', (error) => (stray = error))

function corpusOf(name) {
  const dir = join(values.corpus, name)
  try {
    return readdirSync(dir)
      .sort()
      .map((file) => readFileSync(join(dir, file)))
  } catch {
    return []
  }
}

function within(work) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`HANG: more than ${hangMs / 1_000} s`)), hangMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

async function fuzz(name, count) {
  const target = await import(`./targets/${name}.mjs`)
  await target.open?.()
  const corpus = corpusOf(name)
  const source = mutator(Number(values.seed), [...target.seeds, ...corpus], target.dictionary)
  const outcomes = new Map()
  const startedAt = performance.now()
  let slowestMs = 0
  let done = 0
  const worker = async () => {
    while (done < count) {
      const number = done++
      // First everything as it is: what was found once must stay found.
      const input = target.seeds[number] ?? corpus[number - target.seeds.length] ?? source.next()
      const began = performance.now()
      let outcome
      try {
        outcome = await within((async () => target.run(input, source))())
        if (stray) throw stray
        if ({}.polluted !== undefined) throw new Error('the prototype of objects was changed')
      } catch (error) {
        outcome = 'FINDING'
        findings.push({ name, number, input, error })
        stray = null
      }
      slowestMs = Math.max(slowestMs, performance.now() - began)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: target.parallel ?? 1 }, worker))
  await target.close?.()
  total += done
  const seconds = (performance.now() - startedAt) / 1_000
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, times]) => `${outcome} ${times}`)
  console.log(
    `${name}: ${count} inputs, ${seconds.toFixed(1)} s, slowest ${slowestMs.toFixed(0)} ms: ${sorted.join(', ')}`,
  )
}

for (const [name, share] of Object.entries(shares)) {
  if (values.target && !values.target.split(',').includes(name)) continue
  await fuzz(name, values.target ? Number(values.inputs) : Math.round((Number(values.inputs) * share) / 100))
}
const hangs = findings.filter(({ error }) => /HANG|still open/.test(error.message)).length
console.log(`seed ${values.seed}: ${total} inputs, crashes ${findings.length - hangs}, hangs ${hangs}`)
const shown = new Set()
for (const { name, number, input, error } of findings) {
  const kind = `${name}: ${String(error.message).slice(0, 80)}`
  if (shown.has(kind)) continue
  shown.add(kind)
  const dir = join(process.env.TMPDIR ?? '/tmp', 'fuzz-findings')
  mkdirSync(dir, { recursive: true })
  const file = join(dir, `${name}-${number}`)
  writeFileSync(file, input)
  console.log(`  ${name} input ${number} (${file}): ${error.stack ?? error}`)
}
process.exit(findings.length === 0 ? 0 : 1)
