import { describe, expect, it } from 'vitest'
import { examine, formatDiagnosis } from './examine.js'
import type { ClusterFacts, Facts, MachineFacts, RuntimeFacts } from './facts.js'
import { estimateMemory } from './judge-machine.js'

const machine: MachineFacts = {
  nodeVersion: 'v20.20.2',
  platform: 'linux',
  arch: 'x64',
  cores: 8,
  cpuFlags: ['avx2'],
  memory: { totalBytes: 32e9, availableBytes: 30e9 },
  openFiles: 65_536,
  programs: { ffmpeg: '/f', setpriv: '/s', taskset: '/t', prlimit: '/p', 'nvidia-smi': null },
  hasParentDeathSignal: true,
  gpus: [],
  gpuTrouble: null,
  canChooseVulkanDevice: false,
}
const runtime: RuntimeFacts = {
  error: null,
  version: '1.30.0',
  providers: ['cpu', 'webgpu'],
  cuda: { isInstalled: false, missingLibraries: [] },
  webGpuTrouble: 'no adapter',
  installScript: 'node_modules/onnxruntime-node/script/install.js',
}
const model = {
  dir: '/m',
  weightBytes: 4e9,
  quantization: 'int8',
  device: 'auto',
  instances: 4,
  gpuBytes: 6e9,
}
const cluster: ClusterFacts = {
  configProblems: [],
  model,
  ports: [{ port: 7860, purpose: 'balancer', holder: null, isOurs: false }],
  folders: [{ purpose: 'logs', path: '/l', freeBytes: 50e9, trouble: null }],
}
const gpu = { name: 'NVIDIA L40', memoryBytes: 48e9, freeBytes: 46e9, driver: '550.1' }

interface Change {
  machine?: Partial<MachineFacts>
  runtime?: Partial<RuntimeFacts>
  cluster?: Partial<ClusterFacts>
}

function facts(change: Change = {}): Facts {
  return {
    machine: { ...machine, ...change.machine },
    runtime: { ...runtime, ...change.runtime },
    cluster: { ...cluster, ...change.cluster },
  }
}

describe('examine', () => {
  it('finds a good machine good', () => {
    const { ok, findings } = examine(facts())
    expect(ok).toBe(true)
    expect(findings.filter(({ status, fix }) => status !== 'ok' || fix !== null)).toEqual([])
  })

  it.each<[string, Change, string, RegExp]>([
    ['an old Node', { machine: { nodeVersion: 'v20.18.3' } }, 'Node', /Install Node 20\.19/],
    ['few open files', { machine: { openFiles: 256 } }, 'file limit', /ulimit -n/],
    ['no memory', { machine: { memory: { totalBytes: 1e9, availableBytes: 4e8 } } }, 'memory', /Stop other/],
    ['no onnxruntime', { runtime: { error: 'wrong ELF class' } }, 'onnxruntime', /npm ci/],
    ['a wrong configuration', { cluster: { configProblems: ['f:1:2: no'] } }, 'configuration', /docs/],
    [
      'a model without weights',
      { cluster: { model: { ...cluster.model!, weightBytes: 0 } } },
      'model',
      /asr-cluster pull/,
    ],
    [
      'a taken port',
      { cluster: { ports: [{ port: 7860, purpose: 'balancer', holder: 'nginx (pid 7)', isOurs: false }] } },
      'ports',
      /--port/,
    ],
    [
      'a full disk',
      { cluster: { folders: [{ purpose: 'logs', path: '/l', freeBytes: 5e8, trouble: null }] } },
      'disk, logs',
      /Free some/,
    ],
    [
      'a folder of somebody else',
      { cluster: { folders: [{ purpose: 'logs', path: '/l', freeBytes: 0, trouble: 'EACCES' }] } },
      'disk, logs',
      /right to/,
    ],
  ])('%s: missing, with what to do', (_name, change, name, fix) => {
    const { ok, findings } = examine(facts(change))
    expect(ok).toBe(false)
    expect(findings.filter(({ status }) => status === 'missing')).toMatchObject([
      { name, fix: expect.stringMatching(fix) as string },
    ])
  })

  it.each<[string, Change, string, RegExp]>([
    ['no ffmpeg', { machine: { programs: { ...machine.programs, ffmpeg: null } } }, 'ffmpeg', /apt-get/],
    ['setpriv of BusyBox', { machine: { hasParentDeathSignal: false } }, 'setpriv', /util-linux/],
    ['an old processor', { machine: { cpuFlags: ['sse4_2'] } }, 'processor', /slower/],
    [
      'too little memory for the instances',
      { machine: { memory: { totalBytes: 8e9, availableBytes: 7e9 } } },
      'memory',
      /--instances/,
    ],
    [
      'a GPU that WebGPU cannot use',
      {
        machine: { gpus: [gpu] },
        runtime: { cuda: { isInstalled: true, missingLibraries: [] } },
      },
      'WebGPU',
      /Vulkan driver/,
    ],
    [
      'a provider without CUDA',
      { runtime: { cuda: { isInstalled: true, missingLibraries: ['libcudnn.so.9'] } } },
      'CUDA provider',
      /cuDNN 9/,
    ],
    [
      'a GPU that is full already',
      {
        machine: { gpus: [{ ...gpu, freeBytes: 5e9 }] },
        runtime: { webGpuTrouble: null },
        cluster: { model: { ...model, quantization: 'fp16', instances: 1 } },
      },
      'GPU',
      /int4/,
    ],
    [
      'several GPUs between which WebGPU cannot choose',
      { machine: { gpus: [gpu, gpu] }, runtime: { webGpuTrouble: null } },
      'GPU choice',
      /mesa-vulkan-drivers/,
    ],
    ['a broken driver', { machine: { gpuTrouble: 'no answer in 10 s' } }, 'GPU', /driver/],
    [
      'an instance’s port taken by another',
      { cluster: { ports: [{ port: 7861, purpose: 'instance', holder: 'x', isOurs: false }] } },
      'ports',
      /basePort/,
    ],
  ])('%s: works, but could be better', (_name, change, name, fix) => {
    const { ok, findings } = examine(facts(change))
    expect(ok).toBe(true)
    expect(findings.filter(({ status }) => status !== 'ok')).toMatchObject([
      { name, status: 'warning', fix: expect.stringMatching(fix) as string },
    ])
  })

  it('tells how to add CUDA where the GPU has no use otherwise', () => {
    const { findings } = examine(facts({ machine: { gpus: [gpu] } }))
    expect(findings.find(({ name }) => name === 'CUDA provider')).toMatchObject({
      status: 'warning',
      fix: expect.stringMatching(/cuda12 node .*install\.js/) as string,
    })
  })

  it('does not mind the ports of a cluster that runs', () => {
    const ports = [{ port: 7860, purpose: 'balancer' as const, holder: 'node (pid 7)', isOurs: true }]
    expect(examine(facts({ cluster: { ports } })).ok).toBe(true)
  })

  it('shows a mark, what, and below it what to do', () => {
    const lines = formatDiagnosis(examine(facts({ machine: { openFiles: 100 } })), false)
    expect(lines).toContain('✓ Node: v20.20.2')
    const at = lines.indexOf('✗ file limit: 100 open files')
    expect(lines[at + 1]).toMatch(/^ {4}Raise it/)
    expect(lines.at(-1)).toMatch(/\d+ well, 0 could be better, 1 missing/)
  })
})

it('estimates memory by precision and count', () => {
  const of = (quantization: string, instances: number) =>
    estimateMemory({ ...model, quantization, instances })
  expect(of('none', 1)).toBeGreaterThan(of('int8', 1))
  expect(of('int8', 1)).toBeGreaterThan(of('int4', 1))
  expect(of('int4', 4)).toBe(4 * of('int4', 1))
})
