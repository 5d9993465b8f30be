import { expect, test } from 'vitest'
import { readJsonLines } from './json-lines.js'

async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part)
}

test('reads lines that are cut anywhere, and several of one chunk at once', async () => {
  const bytes = new TextEncoder().encode('{"a":"ü"}\n{"b":1}\n\n{"c":2}\n{"cut')
  const seen: unknown[][] = []
  for await (const values of readJsonLines(chunks(bytes.slice(0, 7), bytes.slice(7, 12), bytes.slice(12)))) {
    seen.push(values)
  }
  expect(seen.flat()).toEqual([{ a: 'ü' }, { b: 1 }, { c: 2 }])
})
