import { expect, it } from 'vitest'
import { judgeRoom } from './judge-room.js'
import type { Gpu } from './gpu.js'

const gpu: Gpu = {
  index: 1,
  uuid: 'GPU-1',
  name: 'Test',
  memoryTotalBytes: 24e9,
  memoryUsedBytes: 10e9,
  utilization: 0,
  temperatureCelsius: 40,
  eccErrors: 0,
  pciBusId: null,
}
const question = { gpu, neededBytes: 6e9, promisedBytes: 0 }
const fits = { fits: true, remark: null }

it('starts what fits beside what runs, to the byte', () => {
  expect(judgeRoom({ ...question, neededBytes: 14e9 })).toEqual(fits)
  expect(judgeRoom({ ...question, neededBytes: 14e9 + 1 })).toMatchObject({ fits: false })
})

it('counts what our instances have not taken yet', () => {
  expect(judgeRoom({ ...question, promisedBytes: 18e9 })).toEqual(fits)
  expect(judgeRoom({ ...question, promisedBytes: 19e9 })).toEqual({
    fits: false,
    reason: 'waits for memory: needs about 6.0 GB of GPU 1, 19.0 GB are for other instances',
  })
  expect(judgeRoom({ ...question, neededBytes: 15e9, promisedBytes: 9e9 })).toEqual({
    fits: false,
    reason: 'waits for memory: needs about 15.0 GB of GPU 1, 10.0 GB of 24.0 GB are used',
  })
})

it('starts what nothing is known of', () => {
  for (const unknown of [
    { gpu: undefined },
    { gpu: { ...gpu, memoryTotalBytes: null } },
    { gpu: { ...gpu, memoryUsedBytes: null } },
    { neededBytes: null },
    { neededBytes: 0 },
  ])
    expect(judgeRoom({ ...question, promisedBytes: 30e9, ...unknown })).toEqual(fits)
})

it('does not let wait what no GPU of this size could hold, and says so', () => {
  expect(judgeRoom({ ...question, neededBytes: 25e9 })).toEqual({
    fits: true,
    remark: 'needs about 25.0 GB and GPU 1 has 24.0 GB in all',
  })
})
