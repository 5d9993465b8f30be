#!/usr/bin/env node
import { writeSchema } from '../dist/config/write-schema.js'

const check = process.argv.includes('--check')
const differing = writeSchema(check)
for (const path of differing) console.log(`${check ? 'out of date' : 'written'}: ${path}`)
if (check && differing.length > 0) {
  console.log('run `npm run schema`')
  process.exitCode = 1
}
