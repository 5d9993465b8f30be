import { AsrError } from '@asr-cluster/protocol'
import { expect, it } from 'vitest'
import { describeError, ToolError } from './tool-error.js'

/** As in a program that is bundled with a copy of its own. */
class BundledError extends Error {
  override name = 'AsrError'
  code = 'invalid_language'
}

it.each([
  [
    new AsrError('invalid_language', 'Unknown language'),
    ['Unknown language (invalid_language)', '  Use `auto`, a'],
  ],
  [new BundledError('Unknown language'), ['Unknown language (invalid_language)', '  Use `auto`, a']],
  [
    new ToolError('not_written', 'No space', { help: 'Make room.' }),
    ['No space (not_written)', '  Make room.'],
  ],
  [new ToolError('not_written', 'No space'), ['No space (not_written)']],
  [Object.assign(new Error('gone'), { code: 'ENOENT' }), ['gone']],
  ['text', ['text']],
])('gives %s with its code and with what to do', (error, expected) => {
  const lines = describeError(error)
  expect(lines.map((line, index) => line.slice(0, expected[index]?.length))).toEqual(expected)
})
