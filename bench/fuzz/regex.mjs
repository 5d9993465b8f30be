// Every regular expression of the sources against long texts that make a bad one take for ever: node bench/fuzz/regex.mjs
// Prints those that take more than 50 ms for 16 KiB, the longest head that a client may send.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const literal =
  /(?<=[=(,:[!&|?{};\n]\s*|return\s+)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([dgimsuvy]*)/g
const size = 16_384
const pieces = [
  'a',
  ' ',
  '\t',
  '0',
  '-',
  '.',
  '/',
  ',',
  ':',
  ';',
  '=',
  '"',
  "'",
  '<',
  '[',
  '(',
  '{',
  '%',
  '_',
  '\n',
  '\r\n',
  'a ',
  '0.',
  'a,',
  '1:',
  '--',
  'aA',
  '<|',
  '\\',
  'é',
  '，',
]
const tails = ['', '!', '\0', 'x']

let checked = 0
let slowest = { ms: 0, text: '' }
const bad = []
for (const path of readdirSync(`${root}packages`, { recursive: true, encoding: 'utf8' })
  .map((name) => `packages/${name}`)
  .filter((name) => /^packages\/[^/]+\/src\/.*\.ts$/.test(name))
  .filter((name) => !/\.test\.ts$|fixtures/.test(name))) {
  for (const [, source, flags] of readFileSync(root + path, 'utf8').matchAll(literal)) {
    let expression
    try {
      expression = new RegExp(source, flags.replace('y', ''))
    } catch {
      continue
    }
    checked += 1
    // What it begins with brings a text past its first characters.
    const opening = /^\^?([\w\-=. ]+)/.exec(source)?.[1] ?? ''
    let worst = 0
    for (const start of ['', opening]) {
      for (const piece of pieces) {
        for (const tail of tails) {
          const text = start + piece.repeat(size / piece.length) + tail
          const began = performance.now()
          expression.lastIndex = 0
          expression.test(text)
          worst = Math.max(worst, performance.now() - began)
        }
      }
    }
    if (worst > slowest.ms) slowest = { ms: worst, text: `${path}: ${source}` }
    if (worst > 50) bad.push(`${worst.toFixed(0)} ms  ${path}: /${source}/${flags}`)
  }
}
console.log(`${checked} expressions, ${bad.length} slow; slowest ${slowest.ms.toFixed(0)} ms`)
for (const line of bad) console.log(`  ${line}`)
