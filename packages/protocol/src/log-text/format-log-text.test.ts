import { expect, it } from 'vitest'
import { formatLogText } from './format-log-text.js'

it.each([
  ['{"level":30,"time":1,"pid":2,"msg":"ready","slots":4,"model":"demo"}', 'ready slots=4 model=demo'],
  ['{"level":50,"msg":"cannot load","err":{"code":"ENOENT"}}', 'error cannot load err={"code":"ENOENT"}'],
  ['{"message":"of somebody else"}', '{"message":"of somebody else"}'],
  ['{ not JSON', '{ not JSON'],
  ['plain text', 'plain text'],
])('%s', (line, expected) => {
  expect(formatLogText(line)).toBe(expected)
})
