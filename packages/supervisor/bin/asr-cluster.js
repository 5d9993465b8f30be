#!/usr/bin/env node
import { main } from '../dist/programs/main.js'

// A reader that goes away (`asr-cluster logs | head`) is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exitCode = await main(process.argv.slice(2))
// Whatever may still hold the event loop must not hold the terminal.
setTimeout(() => process.exit(), 5_000).unref()
