/**
 * Writes a checkpoint in the format in which sherpa-onnx runs Qwen3-ASR, with the operators and the 8-bit rounding of its
 * own exports: `conv_frontend.onnx`, `encoder[.int8].onnx`, `decoder[.int8].onnx`, `tokenizer/`. Another program needs
 * Python and PyTorch for it.
 *
 *   node bench/engine/sherpa-export.mjs MODEL FOLDER [--float]
 *
 * `--float`: weights in float32 instead of 8 bits.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Checkpoint } from '../../packages/asr-instance/dist/engine/checkpoint/checkpoint.js'
import { ExternalData } from '../../packages/asr-instance/dist/engine/compile/external-data.js'
import { GraphBuilder } from '../../packages/asr-instance/dist/engine/compile/graph-builder.js'
import { buildDecoder } from './lib/sherpa-decoder.mjs'
import { buildConvFrontend, buildEncoder } from './lib/sherpa-encoder.mjs'

/** Those of the public exports: onnxruntime's fusions depend on the operators' versions. */
const versions = { ir: 9, opset: 17 }
const tokenizerFiles = ['vocab.json', 'merges.txt', 'tokenizer_config.json']

export async function exportForSherpa(modelDir, dir, { float = false } = {}) {
  const scratch = `${dir}.tmp`
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(join(scratch, 'tokenizer'), { recursive: true })
  for (const name of tokenizerFiles) copyFileSync(join(modelDir, name), join(scratch, 'tokenizer', name))
  const checkpoint = await Checkpoint.open(modelDir)
  const { config } = checkpoint
  const suffix = float ? '' : '.int8'
  const audioTokenId = controlToken(modelDir, '<|audio_pad|>')
  const write = (name, build) => writeGraph(checkpoint, scratch, name, build)
  await write('conv_frontend', (graph) => buildConvFrontend(graph, config))
  await write(`encoder${suffix}`, (graph) => buildEncoder(graph, config, float ? 'float' : 'int8'))
  const decoderWeights = float ? 'float' : 'uint8'
  await write(`decoder${suffix}`, (graph) => buildDecoder(graph, checkpoint, audioTokenId, decoderWeights))
  await checkpoint.close()
  rmSync(dir, { recursive: true, force: true })
  renameSync(scratch, dir)
  return dir
}

async function writeGraph(checkpoint, dir, name, build) {
  const external = await ExternalData.create(join(dir, `${name}.onnx.data`))
  const graph = new GraphBuilder(checkpoint, external, { device: 'cpu', precision: 'float' })
  await build(graph)
  writeFileSync(join(dir, `${name}.onnx`), graph.encode(name, versions))
  await external.close()
}

function controlToken(modelDir, content) {
  const { added_tokens_decoder: added } = JSON.parse(
    readFileSync(join(modelDir, 'tokenizer_config.json'), 'utf8'),
  )
  const found = Object.entries(added).find(([, token]) => token.content === content)
  if (!found) throw new Error(`tokenizer_config.json has no token ${content}`)
  return Number(found[0])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    options: { float: { type: 'boolean' } },
    allowPositionals: true,
  })
  const [model, dir] = positionals
  if (!model || !dir) throw new Error('usage: sherpa-export.mjs MODEL FOLDER [--float]')
  console.log(`written: ${await exportForSherpa(model, dir, values)}`)
}
