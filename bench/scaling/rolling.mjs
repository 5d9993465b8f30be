// Every pod is replaced, again and again, under load, while the API server comes and goes: how many requests fail?
// node bench/scaling/rolling.mjs [--requests 5000]
import { parseArgs } from 'node:util'
import { runTest } from './lib/run-test.mjs'

const { values } = parseArgs({ options: { requests: { type: 'string', default: '5000' } } })
runTest('test/kubernetes/rolling.test.ts', values.requests)
