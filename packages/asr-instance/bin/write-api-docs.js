#!/usr/bin/env node
// Writes docs/openapi.json and the table of docs/errors.md from the sources.
import { readFileSync, writeFileSync } from 'node:fs'
import { apiDocument, withErrorTable } from '../dist/http/api-docs.js'

const docs = new URL('../../../docs/', import.meta.url)
writeFileSync(new URL('openapi.json', docs), apiDocument())
const page = new URL('errors.md', docs)
writeFileSync(page, withErrorTable(readFileSync(page, 'utf8')))
