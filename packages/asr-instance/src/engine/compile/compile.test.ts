import { randomUUID } from 'node:crypto'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigurationError } from '../../configuration-error.js'
import { checkEntries } from './check-entries.js'
import { compiledQuantizations, compileModel, type CompileOptions } from './compile.js'

const fixture = fileURLToPath(new URL('../../../../../test/fixtures/qwen3-asr-tiny', import.meta.url))
let scratch: string

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'asr-compile-'))
})

afterEach(async () => {
  await rm(scratch, { recursive: true })
})

/** Compiles and tells whether anything had to be done. */
async function compile(options: Partial<CompileOptions> = {}) {
  let steps = 0
  const onProgress = () => steps++
  const compiled = await compileModel({
    modelDir: fixture,
    cacheDir: join(scratch, 'cache'),
    quantization: 'none',
    onProgress,
    ...options,
  })
  return { ...compiled, fresh: steps > 0 }
}

async function leftovers(): Promise<string[]> {
  return (await readdir(join(scratch, 'cache'))).filter((name) => /\.(tmp|lock)/.test(name))
}

test('several that ask at once compile once and leave no lock', async () => {
  const results = await Promise.all([compile(), compile(), compile()])
  expect(results.filter(({ fresh }) => fresh)).toHaveLength(1)
  expect(new Set(results.map(({ decoderPath }) => decoderPath)).size).toBe(1)
  expect((await compile()).fresh).toBe(false)
  expect(await leftovers()).toEqual([])
})

test('another quantization or another content is another entry; a copy elsewhere is the same', async () => {
  const first = await compile()
  expect((await compile({ quantization: 'int8' })).fresh).toBe(true)
  const copy = join(scratch, 'copy')
  await cp(fixture, copy, { recursive: true })
  expect((await compile({ modelDir: copy })).decoderPath).toBe(first.decoderPath)
  const weights = await readFile(join(copy, 'model.safetensors'))
  weights[weights.length - 1]! ^= 1
  await writeFile(join(copy, 'model.safetensors'), weights)
  expect((await compile({ modelDir: copy })).fresh).toBe(true)
})

test('a lock whose holder is dead is taken over', async () => {
  const { decoderPath } = await compile()
  const entry = join(decoderPath, '../..')
  await rm(entry, { recursive: true })
  await writeFile(`${entry}.lock`, '1 0') // pid 1 lives, but did not start at tick 0
  await mkdir(`${entry}.killed.tmp`)
  expect((await compile()).fresh).toBe(true)
  expect(await leftovers()).toEqual([])
})

test('what a compiler of another container still writes is no leftover', async () => {
  const { decoderPath } = await compile()
  const entry = join(decoderPath, '../..')
  await rm(entry, { recursive: true })
  const foreign = `1-5-${'0'.repeat(16)}-${randomUUID()}`
  await mkdir(`${entry}.${foreign}.tmp/decoder`, { recursive: true })
  await writeFile(`${entry}.${foreign}.tmp/decoder/weights`, '')
  expect((await compile()).fresh).toBe(true)
  expect(await leftovers()).toEqual([`${basename(entry)}.${foreign}.tmp`])

  await rm(entry, { recursive: true })
  for (const part of ['decoder/weights', 'decoder', ''])
    await utimes(join(`${entry}.${foreign}.tmp`, part), 1, 1)
  expect((await compile()).fresh).toBe(true)
  expect(await leftovers()).toEqual([])
})

test('a failed compilation leaves nothing behind that looks compiled', async () => {
  const broken = join(scratch, 'broken')
  await cp(fixture, broken, { recursive: true })
  const config = await readFile(join(broken, 'config.json'), 'utf8')
  await writeFile(
    join(broken, 'config.json'),
    config.replace('"intermediate_size": 192', '"intermediate_size": 193'),
  )
  await expect(compile({ modelDir: broken })).rejects.toThrow(
    /tensor thinker\.model\.layers\.0\.mlp\.gate_proj\.weight has shape \[192,96\]/,
  )
  expect((await readdir(join(scratch, 'cache'))).filter((name) => name !== 'hashes')).toEqual([])
})

test.each<[string, (entry: string) => Promise<void>]>([
  ['encoder/packed.weights is missing', (entry) => rm(join(entry, 'encoder/packed.weights'))],
  [
    'decoder/packed.weights has 100 bytes instead of',
    (entry) => truncate(join(entry, 'decoder/packed.weights'), 100),
  ],
  [
    'decoder/packed.weights does not hold what was written',
    (entry) => blank(join(entry, 'decoder/packed.weights')),
  ],
  ['manifest.json is broken', (entry) => truncate(join(entry, 'manifest.json'), 0)],
])('an entry of which %s is compiled anew, once', async (damage, spoil) => {
  const { decoderPath } = await compile()
  const bytes = (await stat(decoderPath.replace('.onnx', '.weights'))).size
  await spoil(join(decoderPath, '../..'))
  expect(await compiledQuantizations(fixture, join(scratch, 'cache'))).toEqual([])
  const warnings: string[] = []
  const onWarning = (message: string) => warnings.push(message)
  const results = await Promise.all([compile({ onWarning }), compile({ onWarning })])
  expect(results.filter(({ fresh }) => fresh)).toHaveLength(1)
  expect(warnings).toEqual([expect.stringContaining(damage)])
  expect((await stat(decoderPath.replace('.onnx', '.weights'))).size).toBe(bytes)
  expect(await compiledQuantizations(fixture, join(scratch, 'cache'))).toEqual(['none'])
  expect(await leftovers()).toEqual([])
})

/** What a loss of power leaves: the size is right, and a part is zeros. */
async function blank(path: string): Promise<void> {
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(Math.ceil(size / 4)), 0, null, Math.floor(size / 2))
  await file.close()
}

test('a check of all bytes finds what the samples of a start do not', async () => {
  const { decoderPath } = await compile()
  const cacheDir = join(scratch, 'cache')
  expect(await checkEntries(cacheDir)).toEqual([{ path: join(decoderPath, '../..'), damage: undefined }])
  const weights = join(decoderPath, '../packed.weights')
  const { size } = await stat(weights)
  // Between two samples.
  const at = (Math.round(Math.ceil(size / 4096 - 1) / 63) + 1) * 4096
  expect(at + 4096).toBeLessThan(size)
  const file = await open(weights, 'r+')
  await file.write(Buffer.alloc(1, 0xa5), 0, 1, at)
  await file.close()
  expect((await compile()).fresh).toBe(false)
  expect(await checkEntries(cacheDir)).toEqual([
    { path: join(decoderPath, '../..'), damage: 'decoder/packed.weights does not hold what was written' },
  ])
})

test('an entry of an earlier version, which has no manifest, is taken as it is', async () => {
  const { decoderPath } = await compile()
  await rm(join(decoderPath, '../../manifest.json'))
  expect((await compile()).fresh).toBe(false)
})

test('a cache that nobody can write is a wrong configuration where the model is not in it', async () => {
  await writeFile(join(scratch, 'file'), '')
  const refused = compile({ cacheDir: join(scratch, 'file', 'cache') })
  await expect(refused).rejects.toThrow(ConfigurationError)
  await expect(refused).rejects.toThrow('cannot be written, and the model is not compiled in it yet')
})

test('a read-only cache serves what is whole in it, and says what is damaged', async () => {
  const modelDir = join(scratch, 'model')
  await cp(fixture, modelDir, { recursive: true })
  const { decoderPath } = await compile({ modelDir })
  await rm(join(scratch, 'cache/hashes'), { recursive: true })
  await chmod(scratch, 0o755)
  await chmod(join(scratch, 'cache'), 0o555)
  await asOrdinaryUser(async () => expect((await compile({ modelDir })).fresh).toBe(false))
  await truncate(join(decoderPath, '../packed.weights'), 100)
  await asOrdinaryUser(async () => {
    const refused = compile({ modelDir })
    await expect(refused).rejects.toThrow(ConfigurationError)
    await expect(refused).rejects.toThrow('damaged (decoder/packed.weights has 100 bytes')
  })
  await chmod(join(scratch, 'cache'), 0o755)
})

/** Permissions do not stop root. */
async function asOrdinaryUser(work: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

test('quantized weights are smaller', async () => {
  const size = async (quantization: 'none' | 'int8' | 'int4') => {
    const { decoderPath } = await compile({ quantization })
    return (await stat(decoderPath.replace('.onnx', '.weights'))).size
  }
  const [whole, eight, four] = [await size('none'), await size('int8'), await size('int4')]
  expect(eight).toBeLessThan(whole / 2)
  expect(four).toBeLessThan(eight)
})
