import { describe, expect, it } from 'vitest'
import { ConfigurationError } from './configuration-error.js'
import { parseOptions } from './options.js'

const required = ['--model', 'models/demo', '--port', '7861']
const print = () => {}

describe('parseOptions', () => {
  it('has a default for everything but model and port', async () => {
    expect(await parseOptions(required, print)).toEqual({
      modelDir: 'models/demo',
      id: 'instance-7861',
      host: '127.0.0.1',
      port: 7861,
      slots: 'auto',
      threads: 'auto',
      quantization: 'auto',
      device: 'auto',
      cacheDir: expect.stringContaining('asr-cluster'),
      maxBodyBytes: 100_000_000,
      maxDurationSeconds: 43_200,
      servedModelNames: [],
      allowUsers: null,
    })
  })

  it('takes uids for those who are answered', async () => {
    const withUsers = (users: string) => parseOptions([...required, '--allow-users', users], print)
    expect(await withUsers('0,1000')).toMatchObject({ allowUsers: [0, 1000] })
    for (const wrong of ['', 'root', '0, 1', '-1'])
      await expect(withUsers(wrong)).rejects.toThrow('--allow-users: expected numbers')
  })

  it('reads what is given', async () => {
    const args =
      '--id default-0 --slots 4 --threads 2 --quantization int8 --max-body-size 1KiB --max-duration 1m'
    expect(
      await parseOptions([...required, ...args.split(' '), '--served-model-name', 'a', 'b'], print),
    ).toMatchObject({
      id: 'default-0',
      slots: 4,
      threads: 2,
      quantization: 'int8',
      maxBodyBytes: 1024,
      maxDurationSeconds: 60,
      servedModelNames: ['a', 'b'],
    })
  })

  it.each([
    [[], 'model'],
    [['--model', 'm'], 'port'],
    [['--model', 'm', '--port', 'x'], '--port'],
    [['--model', 'm', '--port', '70000'], '--port'],
    [[...required, '--slots', '0'], '--slots'],
    [[...required, '--threads', 'many'], '--threads'],
    [[...required, '--quantization', 'int3'], 'quantization'],
    [[...required, '--max-body-size', '100'], '--max-body-size: expected a size'],
    [[...required, '--max-duration', '1 day'], '--max-duration: expected a duration'],
    [[...required, '--id', 'a b'], '--id'],
    [[...required, '--device', 'tpu'], 'device'],
    [[...required, '--wrong'], 'wrong'],
  ])('refuses %j', async (args, message) => {
    const error = await parseOptions(args, print).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect((error as Error).message).toContain(message)
  })

  it('prints its help and nothing else', async () => {
    let text = ''
    expect(await parseOptions(['--help'], (part) => (text += part))).toBeNull()
    expect(text).toContain('--max-body-size')
  })
})
