import { describe, expect, it } from 'vitest'
import { fakeClock } from '../fixtures/fake-clock.js'
import { fakeSpawner } from '../fixtures/fake-spawner.js'
import { SpawnError } from '../process/spawner.js'
import { createGpuInventory, firstListLimitMs, silenceLimitMs } from './gpu-inventory.js'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const line = (index: number): string => `${index}, GPU-${index}, Test, 1000, 0, 0, 30, 0, 00000000:01:00.0\n`

async function setUp() {
  const clock = fakeClock()
  const spawner = fakeSpawner()
  const troubles: string[] = []
  const lists: number[][] = []
  const inventory = createGpuInventory({ spawner, clock, onTrouble: (text) => troubles.push(text) })
  inventory.subscribe((gpus) => lists.push(gpus.map(({ index }) => index)))
  await settle()
  const print = async (text: string): Promise<void> => {
    ;(spawner.last().handle.stdout as unknown as { push(text: string): void }).push(text)
    await settle()
  }
  return { clock, spawner, inventory, troubles, lists, print }
}

describe('the GPU inventory', () => {
  it('cuts the stream of one process into lists', async () => {
    const { clock, spawner, inventory, lists, print } = await setUp()
    await print(line(0) + line(1).slice(0, 5))
    await print(line(1).slice(5))
    clock.advance(200)
    expect((await inventory.first()).map(({ uuid }) => uuid)).toEqual(['GPU-0', 'GPU-1'])
    // Without a pause in between the first index of the next list ends this one.
    await print(line(0) + line(0) + line(1))
    clock.advance(200)
    expect(lists).toEqual([[0, 1], [0], [0, 1]])
    expect(spawner.children).toHaveLength(1)
    expect(spawner.last().request.args).toContain('-lms=2000')
  })

  it('is empty where there is no nvidia-smi, and says nothing', async () => {
    const clock = fakeClock()
    const spawner = fakeSpawner()
    spawner.faults.push(new SpawnError('no such program', true))
    const troubles: string[] = []
    const inventory = createGpuInventory({ spawner, clock, onTrouble: (text) => troubles.push(text) })
    expect(await inventory.first()).toEqual([])
    expect(troubles).toEqual([])
  })

  it('does not wait for one that hangs, and replaces it', async () => {
    const { clock, spawner, inventory, troubles } = await setUp()
    clock.advance(firstListLimitMs)
    expect(await inventory.first()).toEqual([])
    clock.advance(silenceLimitMs)
    expect(spawner.last().signals).toEqual(['SIGKILL'])
    spawner.last().exit({ code: null, signal: 'SIGKILL' })
    await settle()
    clock.advance(30_000)
    await settle()
    expect(spawner.children).toHaveLength(2)
    expect(troubles).toEqual(['nvidia-smi has said nothing for 15 s and is started again'])
  })

  it('passes on what the driver complains about', async () => {
    const { troubles, print } = await setUp()
    await print('Failed to initialize NVML: Driver/library version mismatch\n')
    expect(troubles).toEqual(['nvidia-smi: Failed to initialize NVML: Driver/library version mismatch'])
  })

  it('leaves nothing behind', async () => {
    const { spawner, inventory } = await setUp()
    inventory.close()
    expect(spawner.last().signals).toEqual(['SIGKILL'])
  })
})
