/** One GPU as `nvidia-smi` sees it. What the driver does not know (`[N/A]`) is null. */
export interface Gpu {
  index: number
  uuid: string
  name: string
  memoryTotalBytes: number | null
  memoryUsedBytes: number | null
  /** 0 to 1. */
  utilization: number | null
  temperatureCelsius: number | null
  /** Uncorrected ECC errors since the driver was loaded. */
  eccErrors: number | null
  /** Of its place in the machine, as the driver writes it: `00000000:17:00.0`. */
  pciBusId: string | null
}

/** In the order in which `parseGpuLine` expects them. */
export const gpuQuery = [
  'index',
  'uuid',
  'name',
  'memory.total',
  'memory.used',
  'utilization.gpu',
  'temperature.gpu',
  'ecc.errors.uncorrected.volatile.total',
  'pci.bus_id',
] as const

const mebibyte = 2 ** 20

/** One line of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`; null for anything else it may print. */
export function parseGpuLine(line: string): Gpu | null {
  const fields = line.split(',').map((field) => field.trim())
  if (fields.length !== gpuQuery.length || !/^\d+$/.test(fields[0] ?? '')) return null
  const [index, uuid, name, total, used, utilization, temperature, ecc, bus] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return {
    index: Number(index),
    // A very old driver names none; the index does as well then.
    uuid: uuid.startsWith('[') ? index : uuid,
    name,
    memoryTotalBytes: scaled(total, mebibyte),
    memoryUsedBytes: scaled(used, mebibyte),
    utilization: scaled(utilization, 0.01),
    temperatureCelsius: scaled(temperature, 1),
    eccErrors: scaled(ecc, 1),
    pciBusId: /^[\da-f]+:[\da-f]+:[\da-f]+\.\d$/i.test(bus) ? bus : null,
  }
}

function scaled(text: string, factor: number): number | null {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * factor : null
}

/** Bytes that are free; 0 where the driver does not say. */
export function freeBytes(gpu: Gpu): number {
  if (gpu.memoryTotalBytes === null) return 0
  return Math.max(0, gpu.memoryTotalBytes - (gpu.memoryUsedBytes ?? 0))
}
