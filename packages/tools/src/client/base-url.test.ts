import { expect, it } from 'vitest'
import { parseBaseUrl } from './base-url.js'

it.each([
  ['127.0.0.1:7860', 'http://127.0.0.1:7860'],
  ['localhost:7860', 'http://localhost:7860'],
  ['http://host:7860/', 'http://host:7860'],
  ['https://host/asr/v1/', 'https://host/asr'],
  ['[::1]:7860', 'http://[::1]:7860'],
])('%s is %s', (text, expected) => {
  expect(parseBaseUrl(text)).toBe(expected)
})

it.each(['', 'http://', 'ftp://host', 'http://host:99999'])('refuses `%s`', (text) => {
  expect(() => parseBaseUrl(text)).toThrow(/--url/)
})
