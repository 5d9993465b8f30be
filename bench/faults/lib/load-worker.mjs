// The load in a process of its own, for a network namespace: options as JSON in the first argument, records as JSON on stdout.
import { openLoop } from './load.mjs'

process.stdout.write(JSON.stringify(await openLoop(JSON.parse(process.argv[2]))))
