#!/usr/bin/env node
import { main, watchOutput } from '../dist/programs/main.js'

const exitCode = watchOutput(process, () => (process.exitCode ||= 1))
process.exitCode = exitCode(await main(process.argv.slice(2)))
// Whatever may still hold the event loop must not hold the terminal.
setTimeout(() => process.exit(), 5_000).unref()
