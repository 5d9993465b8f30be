import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointError } from '../../../packages/asr-instance/dist/engine/checkpoint/checkpoint-error.js'
import { SafetensorsFile } from '../../../packages/asr-instance/dist/engine/checkpoint/safetensors.js'

function file(header, dataBytes) {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes, 63)])
}
export const seeds = [
  file({ a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] } }, 24),
  file(
    {
      __metadata__: { format: 'pt' },
      'x.weight': { dtype: 'BF16', shape: [4, 2], data_offsets: [0, 16] },
      b: { dtype: 'F16', shape: [3], data_offsets: [16, 22] },
      c: { dtype: 'I64', shape: [], data_offsets: [22, 30] },
    },
    30,
  ),
  file(
    {
      empty: { dtype: 'F32', shape: [0, 5], data_offsets: [0, 0] },
      scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
    },
    4,
  ),
  file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
]
export const dictionary = [
  'F32',
  'BF16',
  '"shape":[',
  '"data_offsets":[',
  '9007199254740993',
  '1e308',
  '-1',
  '__proto__',
  '0.5',
  'constructor',
  '[[[[',
]

let dir
const path = () => join((dir ??= mkdtempSync(join(tmpdir(), 'fuzz-'))), 'model.safetensors')
export const close = () => dir && rmSync(dir, { recursive: true })

export async function run(bytes) {
  writeFileSync(path(), bytes)
  let opened
  try {
    opened = await SafetensorsFile.open(path())
    for (const info of opened.tensors.values()) await opened.readRows(info, 0, info.shape[0] ?? 1)
    return 'taken'
  } catch (error) {
    if (error instanceof CheckpointError) return 'refused'
    throw error
  } finally {
    await opened?.close()
  }
}
