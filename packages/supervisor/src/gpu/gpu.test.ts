import { describe, expect, it } from 'vitest'
import { judgeGpus, unknownHealth } from './gpu-health.js'
import { freeBytes, parseGpuLine } from './gpu.js'
import type { Gpu } from './gpu.js'
import { NoSuchGpuError, placeGpu } from './place-gpu.js'

const gib = 2 ** 30
const gpu = (index: number, usedGib: number, errors = 0): Gpu => ({
  index,
  uuid: `GPU-${index}`,
  name: 'Test GPU',
  memoryTotalBytes: 24 * gib,
  memoryUsedBytes: usedGib * gib,
  utilization: 0,
  temperatureCelsius: 30,
  eccErrors: errors,
  pciBusId: null,
})

describe('a line of nvidia-smi', () => {
  it('is read with units', () => {
    expect(parseGpuLine('0, GPU-5a1b, NVIDIA H200, 143771, 1024, 37, 29, 0, 00000000:17:00.0')).toEqual({
      index: 0,
      uuid: 'GPU-5a1b',
      name: 'NVIDIA H200',
      memoryTotalBytes: 143771 * 2 ** 20,
      memoryUsedBytes: gib,
      utilization: 0.37,
      temperatureCelsius: 29,
      eccErrors: 0,
      pciBusId: '00000000:17:00.0',
    })
  })

  it('may leave fields open', () => {
    const parsed = parseGpuLine('3, [N/A], Tesla K80, 11441, [Not Supported], [N/A], [N/A], [N/A], [N/A]')
    expect(parsed).toMatchObject({ uuid: '3', memoryUsedBytes: null, utilization: null, eccErrors: null })
    expect(parsed && freeBytes(parsed)).toBe(11441 * 2 ** 20)
  })

  it.each([
    '',
    'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.',
    'Unable to determine the device handle for GPU 0000:65:00.0: GPU is lost. Reboot the system to recover this GPU',
    'index, uuid, name, memory.total, memory.used, utilization.gpu, temperature.gpu, ecc',
  ])('%j is none', (line) => {
    expect(parseGpuLine(line)).toBeNull()
  })
})

describe('placement', () => {
  const spread = (gpus: Gpu[], count: number): (string | null)[] => {
    const pending = new Map<string, number>()
    return Array.from({ length: count }, (_, index) => {
      const uuid = placeGpu('auto', index, gpus, pending)
      if (uuid !== null) pending.set(uuid, (pending.get(uuid) ?? 0) + 1)
      return uuid
    })
  }

  it('goes round equal GPUs', () => {
    expect(spread([gpu(0, 0), gpu(1, 0)], 4)).toEqual(['GPU-0', 'GPU-1', 'GPU-0', 'GPU-1'])
  })

  it('gives in proportion to free memory', () => {
    expect(spread([gpu(0, 16), gpu(1, 0)], 4)).toEqual(['GPU-1', 'GPU-1', 'GPU-0', 'GPU-1'])
  })

  it('is nowhere without GPUs, or when none is wanted', () => {
    expect(placeGpu('auto', 0, [], new Map())).toBeNull()
    expect(placeGpu('none', 0, [gpu(0, 0)], new Map())).toBeNull()
  })

  it('follows an explicit list, by index or UUID', () => {
    const gpus = [gpu(0, 0), gpu(1, 0), gpu(2, 0)]
    const list = [2, 'GPU-0']
    expect([0, 1, 2].map((index) => placeGpu(list, index, gpus, new Map()))).toEqual([
      'GPU-2',
      'GPU-0',
      'GPU-2',
    ])
    expect(() => placeGpu([7], 0, gpus, new Map())).toThrow(NoSuchGpuError)
    expect(() => placeGpu([7], 0, [], new Map())).toThrow('there is no GPU 7; nvidia-smi knows none')
  })
})

describe('the health of the GPUs', () => {
  it('is bad from the first new uncorrected error on, not from old ones', () => {
    let health = judgeGpus(unknownHealth, [gpu(0, 0, 5), gpu(1, 0)])
    expect([...health.bad]).toEqual([])
    health = judgeGpus(health, [gpu(0, 0, 7), gpu(1, 0)])
    expect([...health.bad]).toEqual([['GPU-0', 'GPU 0 reports 2 uncorrected memory errors']])
    // The counter begins anew with the driver, and so do we.
    health = judgeGpus(health, [gpu(0, 0, 0), gpu(1, 0)])
    expect([...health.bad]).toEqual([])
  })

  it('is bad while a GPU is missing, but not for one list that is cut short', () => {
    let health = judgeGpus(unknownHealth, [gpu(0, 0), gpu(1, 0)])
    health = judgeGpus(health, [gpu(0, 0)])
    expect([...health.bad]).toEqual([])
    health = judgeGpus(health, [gpu(0, 0)])
    expect([...health.bad.keys()]).toEqual(['GPU-1'])
    health = judgeGpus(health, [gpu(0, 0), gpu(1, 0)])
    expect([...health.bad]).toEqual([])
  })
})
