/**
 * The environment in which Vulkan shows this GPU first: `CUDA_VISIBLE_DEVICES` is CUDA's alone, and WebGPU takes the first
 * device of the best kind. Understood by Mesa's layer VK_LAYER_MESA_device_select (Debian: mesa-vulkan-drivers), for the
 * devices of all drivers; nobody else looks at it but Mesa's OpenGL.
 */
export function vulkanDeviceEnv(pciBusId: string | null): Record<string, string> {
  const parts = /^([\da-f]+):([\da-f]+):([\da-f]+)\.(\d)$/i.exec(pciBusId ?? '')
  if (!parts) return {}
  const [domain, bus, device] = parts.slice(1, 4).map((part) => Number.parseInt(part, 16).toString(16))
  const place = [domain!.padStart(4, '0'), bus!.padStart(2, '0'), device!.padStart(2, '0'), parts[4]]
  return { DRI_PRIME: `pci-${place.join('_')}` }
}
