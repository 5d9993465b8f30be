#!/usr/bin/env -S node --single-threaded-gc
import { main } from '../dist/cli.js'

await main(process.argv.slice(2))
