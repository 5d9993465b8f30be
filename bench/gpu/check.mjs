/**
 * Compares WebGPU with the processor on this machine, and makes the device fail: the same texts alone and as a batch, a
 * client that leaves, keys and values in pages, a device without memory, one that is lost. Without a GPU, on Vulkan in
 * software: Mesa's lavapipe (Debian: mesa-vulkan-drivers, and `cc` for the driver around it) has float16, SwiftShader
 * (chromium) has not.
 *
 *   node bench/gpu/check.mjs [--driver lavapipe|swiftshader|system] [--quantization none,fp16,int8,int4] [--clips 8]
 *                            [--faults memory,lost] [--fixture] [--pages]
 *
 * Faults are the driver's answers to a real call (vkAllocateMemory, vkQueueSubmit), so they need a software driver. With
 * `hung` a submission never comes back; the engine waits 120 s for it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkAnswers } from './lib/check-answers.mjs'
import { checkHung, checkLost, checkMemory } from './lib/check-faults.mjs'
import { checkPages } from './lib/check-pages.mjs'
import { findDriver, wrapDriver } from './lib/vulkan-driver.mjs'

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'system' },
    clips: { type: 'string', default: '8' },
    quantization: { type: 'string', default: 'none' },
    faults: { type: 'string', default: '' },
    fixture: { type: 'boolean', default: false },
    pages: { type: 'boolean', default: false },
  },
})
const scratch = mkdtempSync(join(tmpdir(), 'asr-gpu-check-'))
let failures = 0

function report(isRight, what) {
  console.log(`${isRight ? '✓' : '✗'} ${what}`)
  if (!isRight) failures++
}

try {
  if (options.driver !== 'system') useDriver(options.driver)
  const context = { scratch, report, clips: Number(options.clips), fixture: options.fixture }
  for (const quantization of list(options.quantization)) await checkAnswers({ ...context, quantization })
  if (options.pages) await checkPages(context)
  const faults = { memory: checkMemory, lost: checkLost, hung: checkHung }
  for (const fault of list(options.faults)) await faults[fault](context)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(failures === 0 ? 'all right' : `${failures} wrong`)
process.exit(failures > 0 ? 1 : 0)

/** Before onnxruntime is loaded: it opens the driver once. */
function useDriver(name) {
  const manifest = findDriver(name)
  if (manifest === undefined) throw new Error(`${name} is not installed`)
  Object.assign(process.env, wrapDriver(manifest, scratch))
}

function list(text) {
  return text.split(',').filter((part) => part !== '')
}
