import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { startCluster } from '../harness/index.js'
import { clip, clipFile, officialClient } from './api-client.ts'

test('the model that the official client names decides on the group', async () => {
  await using cluster = await startCluster({
    config: {
      groups: [
        { name: 'exact', quantization: 'none', instances: 1, aliases: ['whisper-1'] },
        { name: 'small', quantization: 'int8', instances: 1, aliases: ['gpt-4o-mini-transcribe'] },
      ],
    },
  })
  const openai = officialClient(cluster)
  const ask = async (model: string): Promise<unknown> => {
    const { data, response } = await openai.audio.transcriptions
      .create({ file: await clipFile(), model })
      .withResponse()
    expect(data.text).toBe(clip.text)
    return response.headers.get('x-asr-instance')
  }
  for (const [model, instance] of [
    ['exact', 'exact-0'],
    ['gpt-4o-mini-transcribe', 'small-0'],
    ['small', 'small-0'],
    ['whisper-1', 'exact-0'],
  ] as const) {
    for (let round = 0; round < 3; round += 1) expect(await ask(model)).toBe(instance)
  }

  const names = (await openai.models.list()).data.map(({ id }) => id)
  expect(names).toEqual(expect.arrayContaining(['exact', 'whisper-1', 'small', 'gpt-4o-mini-transcribe']))
  const error = await openai.audio.transcriptions
    .create({ file: await clipFile(), model: 'whisper-9' })
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(OpenAI.NotFoundError)
  expect(error).toMatchObject({ code: 'model_not_found', param: 'model', type: 'invalid_request_error' })
  for (const name of names) expect((error as Error).message).toContain(name)
})
