import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Checkpoint, officialName } from './checkpoint.js'

const fixture = fileURLToPath(new URL('../../../../../test/fixtures/qwen3-asr-tiny', import.meta.url))
let dir: string

beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'asr-checkpoint-')), 'model')
  await cp(fixture, dir, { recursive: true })
})

afterEach(async () => {
  await rm(join(dir, '..'), { recursive: true })
})

interface CheckpointConfig {
  model_type: string
  thinker_config: { text_config: { hidden_size?: number } }
}

async function editConfig(edit: (config: CheckpointConfig) => void): Promise<void> {
  const path = join(dir, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as CheckpointConfig
  edit(config)
  await writeFile(path, JSON.stringify(config))
}

async function openError(): Promise<string> {
  const error: unknown = await Checkpoint.open(dir).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'CheckpointError' })
  return (error as Error).message
}

test('a folder that is no model, or another model, is named as such', async () => {
  await editConfig((config) => (config.model_type = 'whisper'))
  expect(await openError()).toContain('model_type is "whisper"')
  await rm(join(dir, 'config.json'))
  expect(await openError()).toContain('no config.json')
})

test('a missing key of the configuration is named', async () => {
  await editConfig((config) => delete config.thinker_config.text_config.hidden_size)
  expect(await openError()).toContain('text_config.hidden_size')
})

test('a truncated weight file names the first tensor that is cut off', async () => {
  await truncate(join(dir, 'model.safetensors'), 200_000)
  expect(await openError()).toMatch(/model\.safetensors is cut off: tensor thinker\./)
  await truncate(join(dir, 'model.safetensors'), 100)
  expect(await openError()).toContain('cut off inside its header')
})

test('a wrong shape and a missing tensor name the tensor', async () => {
  const checkpoint = await Checkpoint.open(dir)
  await expect(checkpoint.read('thinker.model.norm.weight', [97])).rejects.toThrow(
    'tensor thinker.model.norm.weight has shape [96], config.json asks for [97]',
  )
  await expect(checkpoint.read('thinker.nothing', [1])).rejects.toThrow('no tensor thinker.nothing')
  await checkpoint.close()
})

test('a shard that the index names but the folder lacks is named', async () => {
  await writeFile(
    join(dir, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: { 'thinker.a': 'model.safetensors', 'thinker.b': 'model-2.safetensors' } }),
  )
  expect(await openError()).toContain('names model-2.safetensors, which the folder lacks')
})

test('a tensor read in blocks is the tensor read whole', async () => {
  const checkpoint = await Checkpoint.open(dir)
  const name = 'thinker.model.embed_tokens.weight'
  const whole = await checkpoint.read(name, [1536, 96])
  const blocks: number[] = []
  for await (const block of checkpoint.readBlocks(name, [1536, 96], 1000)) blocks.push(...block)
  expect(blocks).toEqual([...whole])
  expect(checkpoint.readRows(name, [1536, 96], 7, 1)).toEqual(whole.slice(7 * 96, 8 * 96))
  await checkpoint.close()
})

test("transformers' native names map to the official ones", () => {
  expect(officialName('model.language_model.layers.0.mlp.up_proj.weight')).toBe(
    'thinker.model.layers.0.mlp.up_proj.weight',
  )
  expect(officialName('model.multi_modal_projector.linear_2.bias')).toBe('thinker.audio_tower.proj2.bias')
  expect(officialName('model.audio_tower.ln_post.bias')).toBe('thinker.audio_tower.ln_post.bias')
  expect(officialName('lm_head.weight')).toBe('thinker.lm_head.weight')
})
