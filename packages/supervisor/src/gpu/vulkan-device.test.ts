import { expect, it } from 'vitest'
import { vulkanDeviceEnv } from './vulkan-device.js'

it('names the place as Mesa does', () => {
  expect(vulkanDeviceEnv('00000000:17:00.0')).toEqual({ DRI_PRIME: 'pci-0000_17_00_0' })
  expect(vulkanDeviceEnv('00010000:C1:1F.7')).toEqual({ DRI_PRIME: 'pci-10000_c1_1f_7' })
})

it('says nothing of a GPU whose place is not known', () => {
  expect(vulkanDeviceEnv(null)).toEqual({})
  expect(vulkanDeviceEnv('[N/A]')).toEqual({})
})
