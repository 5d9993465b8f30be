import { expect, test } from 'vitest'
import { chooseDevice, probeProvider, type DeviceQuestion } from './choose-device.js'
import { DeviceError } from './device-errors.js'

const ask = (question: Partial<DeviceQuestion>, missing: string | null = null) =>
  chooseDevice({
    device: 'auto',
    assignedGpu: undefined,
    probe: () => Promise.resolve(missing),
    ...question,
  })

test.each([
  ['no GPU assigned', {}, null, 'cpu', /no GPU is assigned/],
  ['none visible', { assignedGpu: '' }, null, 'cpu', /no GPU is assigned/],
  ['a GPU that works', { assignedGpu: 'GPU-1' }, null, 'webgpu', /GPU-1/],
  [
    'a GPU without driver',
    { assignedGpu: 'GPU-1' },
    'no adapters',
    'cpu',
    /GPU-1 cannot be used .*no adapters/,
  ],
  ['cpu', { device: 'cpu', assignedGpu: 'GPU-1' }, null, 'cpu', /as configured/],
  ['webgpu', { device: 'webgpu' }, null, 'webgpu', /as configured/],
  ['cuda', { device: 'cuda' }, null, 'cuda', /as configured/],
] as const)('%s', async (_, question, missing, device, reason) => {
  const answer = await ask(question, missing)
  expect(answer.device).toBe(device)
  expect(answer.reason).toMatch(reason)
})

test('this machine may have no GPU, but the question has an answer', async () => {
  expect(await probeProvider('cuda')).toMatch(/load|CUDA/)
})

test('what was asked for and is missing is an error, never another device', async () => {
  await expect(ask({ device: 'webgpu' }, 'no adapters')).rejects.toThrow(DeviceError)
  // What Dawn says of a buffer that it could not allocate.
  const full = '[Invalid Buffer (unlabeled)] is invalid due to a previous error.'
  await expect(ask({ device: 'webgpu' }, full)).rejects.toThrow(/no memory is left/)
})
