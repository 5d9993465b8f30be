import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlCommand } from './curl.js'

const request = { origin: 'http://127.0.0.1:7860', fileName: 'a.wav', language: 'auto', needsKey: false }

test('the shortest command', () => {
  expect(curlCommand(request)).toBe(
    `curl -N -F 'file=@"a.wav"' -F stream=true http://127.0.0.1:7860/v1/audio/transcriptions`,
  )
})

test('a key stays out of it', () => {
  expect(curlCommand({ ...request, needsKey: true })).toContain('"Authorization: Bearer $ASR_API_KEY"')
})

test.each(["it's; rm -rf ~.wav", 'a"b\\c.wav', '$(date) `id` & x.wav'])(
  'a shell reads %s as it is',
  (fileName) => {
    const command = curlCommand({ ...request, fileName, language: 'English' })
    const words = execFileSync('sh', ['-c', command.replace('curl', 'printf "%s\\n"')], { encoding: 'utf8' })
    const escaped = fileName.replaceAll(/["\\]/g, '\\$&')
    expect(words.split('\n')).toEqual([
      '-N',
      '-F',
      `file=@"${escaped}"`,
      '-F',
      'language=English',
      '-F',
      'stream=true',
      'http://127.0.0.1:7860/v1/audio/transcriptions',
      '',
    ])
  },
)
