// Two boxes in network namespaces behind one balancer; one drops off the network under load: how many requests fail?
// Needs root. node bench/scaling/cut-host.mjs [--requests 5000]
import { parseArgs } from 'node:util'
import { runTest } from './lib/run-test.mjs'

const { values } = parseArgs({ options: { requests: { type: 'string', default: '5000' } } })
runTest('test/kubernetes/cut-host.test.ts', values.requests)
