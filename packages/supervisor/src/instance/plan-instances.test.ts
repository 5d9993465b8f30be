import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { clusterConfigSchema } from '../config/schema.js'
import type { ClusterConfigInput } from '../config/schema.js'
import type { Gpu } from '../gpu/gpu.js'
import { fillIn } from './instance-program.js'
import { parseCpuList, placeCpus } from './place-cpus.js'
import { modelNames, planInstances } from './plan-instances.js'
import type { InstanceSpec } from './plan-instances.js'

const gpus: Gpu[] = [0, 1, 2, 3].map((index) => ({
  index,
  uuid: `GPU-${index}`,
  name: 'Test',
  memoryTotalBytes: 1e9,
  memoryUsedBytes: 0,
  utilization: 0,
  temperatureCelsius: 30,
  eccErrors: 0,
  pciBusId: null,
}))

function plan(
  input: ClusterConfigInput,
  options: { gpus?: Gpu[]; existing?: InstanceSpec[]; cores?: number; clientsPort?: number } = {},
) {
  return planInstances({
    config: clusterConfigSchema.parse(input),
    counts: new Map(),
    machine: {
      cores: Array.from({ length: options.cores ?? 8 }, (_, core) => core),
      gpus: options.gpus ?? [],
    },
    clientsPort: options.clientsPort ?? 7860,
    existing: options.existing ?? [],
  })
}

describe('the plan', () => {
  it('numbers instances and ports, and repeats the weights', () => {
    const specs = plan({ groups: [{ instances: 5, weights: [3, 2] }] })
    expect(specs.map(({ id, port, weight }) => [id, port, weight])).toEqual([
      ['default-0', 7861, 3],
      ['default-1', 7862, 2],
      ['default-2', 7863, 3],
      ['default-3', 7864, 2],
      ['default-4', 7865, 3],
    ])
  })

  it('lets groups share a base port', () => {
    const specs = plan({ groups: [{ name: 'a' }, { name: 'b' }, { name: 'c', basePort: 0 }] })
    expect(specs.map(({ port }) => port)).toEqual([7861, 7862, 7863, 7864, 0, 0])
  })

  it('leaves the port of the clients to the balancer', () => {
    const specs = plan({ groups: [{ instances: 3 }] }, { clientsPort: 7862 })
    expect(specs.map(({ port }) => port)).toEqual([7861, 7863, 7864])
  })

  it('shares the cores among the instances', () => {
    expect(plan({ groups: [{ instances: 3 }] }).map(({ threads }) => threads)).toEqual([2, 2, 2])
    expect(plan({ groups: [{ instances: 3, threads: 8 }] })[0]?.threads).toBe(8)
  })

  it('takes one instance per GPU, else one per two cores, for auto', () => {
    const auto = { instances: 'auto', model: '/large' } as const
    expect(plan({ groups: [auto] }, { gpus }).map(({ gpu }) => gpu)).toEqual([
      'GPU-0',
      'GPU-1',
      'GPU-2',
      'GPU-3',
    ])
    expect(plan({ groups: [{ ...auto, gpus: [1, 3] }] }, { gpus }).map(({ gpu }) => gpu)).toEqual([
      'GPU-1',
      'GPU-3',
    ])
    expect(plan({ groups: [{ ...auto, gpus: 'none' }] }, { gpus })).toHaveLength(4)
    expect(plan({ groups: [auto] })).toHaveLength(4)
  })

  it('takes two of a small model', () => {
    const model = fileURLToPath(new URL('../../../../models/demo', import.meta.url))
    const gpusOf = (wanted: 'auto' | number[]) =>
      plan({ groups: [{ instances: 'auto', model, gpus: wanted }] }, { gpus: gpus.slice(0, 2) }).map(
        ({ gpu }) => gpu,
      )
    expect(gpusOf('auto').filter((gpu) => gpu === 'GPU-0')).toHaveLength(2)
    expect(gpusOf('auto').filter((gpu) => gpu === 'GPU-1')).toHaveLength(2)
    expect(gpusOf([1])).toEqual(['GPU-1', 'GPU-1'])
    const command = ['a-server']
    expect(plan({ groups: [{ instances: 'auto', model, command }] }, { gpus })).toHaveLength(4)
  })

  it('pins exclusive instances to cores of their own', () => {
    const specs = plan({ groups: [{ instances: 3, cpus: 'exclusive' }] })
    expect(specs.map(({ cpuSet }) => cpuSet)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ])
    expect(plan({ groups: [{ instances: 1, cpus: 'exclusive' }] })[0]?.cpuSet).toBeNull()
  })

  it('leaves those that are there alone but for their weight', () => {
    const existing = plan({ groups: [{ instances: 2, threads: 3 }] })
    const specs = plan({ groups: [{ instances: 3, weights: [9], model: 'other' }] }, { existing })
    expect(specs.slice(0, 2)).toEqual(existing.map((spec) => ({ ...spec, weight: 9 })))
    expect(specs[2]).toMatchObject({ id: 'default-2', model: 'other', port: 7863 })
  })
})

describe('names, cores and commands', () => {
  it('knows a model by its folder, its group and its aliases', () => {
    const [spec] = plan({ groups: [{ name: 'en', model: '/models/Qwen3-ASR-0.6B', aliases: ['whisper-1'] }] })
    expect(modelNames(spec as InstanceSpec, null)).toEqual(['Qwen3-ASR-0.6B', 'en', 'whisper-1'])
    const [foreign] = plan({ groups: [{ name: 'vllm', command: ['x'] }] })
    expect(modelNames(foreign as InstanceSpec, null)).toEqual(['vllm'])
  })

  it('reads and places sets of cores', () => {
    expect(parseCpuList('0,2-4,9\n')).toEqual([0, 2, 3, 4, 9])
    expect(placeCpus(2, [0, 1, 2, 3], [[0, 1]])).toEqual([2, 3])
    expect(
      placeCpus(
        2,
        [0, 1, 2, 3],
        [
          [0, 1],
          [1, 2],
        ],
      ),
    ).toEqual([0, 3])
    expect(placeCpus(4, [0, 1], [])).toBeNull()
  })

  it('fills in placeholders and nothing else', () => {
    const values = { port: '7861', id: 'a-0' }
    expect(fillIn('--bind=127.0.0.1:{port} {id} {unknown} {{port}}', values)).toBe(
      '--bind=127.0.0.1:7861 a-0 {unknown} {7861}',
    )
  })
})
