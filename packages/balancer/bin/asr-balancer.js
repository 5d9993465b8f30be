#!/usr/bin/env -S node --single-threaded-gc
import { main } from '../dist/programs/cli.js'

await main(process.argv.slice(2))
