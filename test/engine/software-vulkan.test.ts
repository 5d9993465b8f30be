import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startProgram } from '../harness/index.ts'

const script = fileURLToPath(new URL('../../bench/gpu/check.mjs', import.meta.url))

function missing(): string | null {
  const folder = '/usr/share/vulkan/icd.d'
  const drivers = existsSync(folder) ? readdirSync(folder) : []
  if (!drivers.some((name) => name.startsWith('lvp_icd'))) return 'no lavapipe (Debian: mesa-vulkan-drivers)'
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return null
  } catch {
    return 'no C compiler for the driver around it'
  }
}

const reason = missing()

describe.skipIf(reason !== null)(
  `WebGPU on Vulkan in software${reason === null ? '' : `: ${reason}`}`,
  () => {
    async function check(...args: string[]): Promise<string[]> {
      await using program = startProgram(script, {
        args: ['--driver', 'lavapipe', '--clips', '2', ...args],
        // Two cores that other tests use as well are the device.
        deadlineMs: 230_000,
      })
      const { code } = await program.exited
      const lines = program.stdout().trim().split('\n')
      expect(lines.filter((line) => line.startsWith('✗'))).toEqual([])
      expect(code, program.stderr()).toBe(0)
      return lines.filter((line) => line.startsWith('✓'))
    }

    test('float32, float16 and 4 bits give the texts of the processor, alone and in a batch, and its tokens', async () => {
      // Five of each, and the tokens of the fixture where random weights bear the rounding. (int4 has 8 bits in it.)
      expect(await check('--quantization', 'none,fp16,int4', '--fixture')).toHaveLength(17)
    })

    test('keys and values in pages: shared, cut, continued, long, and in batches', async () => {
      expect(await check('--quantization', '', '--pages')).toHaveLength(10)
    })

    test('a device without memory, and one that is lost under load', async () => {
      expect(await check('--quantization', '', '--faults', 'memory,lost')).toHaveLength(7)
    })
  },
)
