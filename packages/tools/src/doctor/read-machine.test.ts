import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { readFolder } from './read-folder.js'
import { parseOpenFiles, readMachine } from './read-machine.js'
import { parseMissing, readRuntime } from './read-runtime.js'

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'asr-doctor-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return dir
}

function program(dir: string, name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(dir, name), 0o755)
}

it('sees this machine', async () => {
  const machine = await readMachine({ PATH: '' })
  expect(machine.nodeVersion).toBe(process.version)
  expect(machine.memory.availableBytes).toBeGreaterThan(0)
  expect(machine.memory.availableBytes).toBeLessThanOrEqual(machine.memory.totalBytes)
  expect(machine.programs).toEqual({
    ffmpeg: null,
    setpriv: null,
    taskset: null,
    prlimit: null,
    'nvidia-smi': null,
  })
  expect(machine).toMatchObject({ gpus: [], gpuTrouble: null, hasParentDeathSignal: false })
})

it('reads what nvidia-smi lists, and what it says when it is not well', async () => {
  const dir = scratch()
  program(
    dir,
    'nvidia-smi',
    'echo "NVIDIA L4, 23034, 22000, 550.90.07"; echo "NVIDIA L4, [N/A], [N/A], 550.90.07"',
  )
  expect((await readMachine({ PATH: dir })).gpus).toEqual([
    { name: 'NVIDIA L4', memoryBytes: 23034 * 2 ** 20, freeBytes: 22000 * 2 ** 20, driver: '550.90.07' },
    { name: 'NVIDIA L4', memoryBytes: 0, freeBytes: 0, driver: '550.90.07' },
  ])
  program(dir, 'nvidia-smi', 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18')
  expect(await readMachine({ PATH: dir })).toMatchObject({
    gpus: [],
    gpuTrouble: 'Failed to initialize NVML: Driver/library version mismatch',
  })
})

it('loads onnxruntime and names its providers', async () => {
  const runtime = await readRuntime(process.cwd())
  expect(runtime).toMatchObject({ error: null, version: expect.stringMatching(/^\d+\.\d+/) as string })
  expect(runtime.providers).toContain('cpu')
  expect(runtime.installScript).toMatch(/onnxruntime-node\/script\/install\.js$/)
})

it('reads limits and the libraries that are not there', () => {
  expect(parseOpenFiles('Max open files            1024                 524288               files')).toBe(
    1024,
  )
  expect(parseOpenFiles('Max open files            unlimited            unlimited            files')).toBe(
    Infinity,
  )
  expect(parseOpenFiles('')).toBe(Infinity)
  const ldd = '\tlinux-vdso.so.1 (0x1)\n\tlibcudnn.so.9 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n'
  expect(parseMissing(ldd)).toEqual(['libcudnn.so.9'])
})

it('takes the folder above for one that is not there yet', async () => {
  const dir = scratch()
  const fact = await readFolder('logs', join(dir, 'a/b/c'))
  expect(fact).toMatchObject({ path: join(dir, 'a/b/c'), trouble: null })
  expect(fact.freeBytes).toBeGreaterThan(0)
})
