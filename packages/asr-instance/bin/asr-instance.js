#!/usr/bin/env node
import { main } from '../dist/programs/cli.js'

await main(process.argv.slice(2))
