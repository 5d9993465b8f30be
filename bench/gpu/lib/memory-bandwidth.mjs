import { execFileSync } from 'node:child_process'

/** GB/s as the makers state them; the longest name that fits counts. */
const known = {
  H200: 4800,
  'H100 NVL': 3938,
  'H100 PCIe': 2000,
  H100: 3352,
  'A100-SXM4-80GB': 2039,
  'A100 80GB PCIe': 1935,
  A100: 1555,
  L40S: 864,
  L40: 864,
  L4: 300,
  T4: 320,
  A10: 600,
  'RTX 6000 Ada': 960,
  'RTX 5090': 1792,
  'RTX 4090': 1008,
  'RTX 3090': 936,
}

/** Name and GB/s of the first GPU; null where it is not known: say it with --bandwidth. */
export function firstGpu() {
  try {
    const args = ['--query-gpu=name', '--format=csv,noheader']
    const [name] = execFileSync('nvidia-smi', args, { encoding: 'utf8' }).trim().split('\n')
    const fits = Object.keys(known).filter((key) => name.includes(key))
    const longest = fits.toSorted((a, b) => b.length - a.length)[0]
    return { name, bandwidth: known[longest] ?? null }
  } catch {
    return { name: 'no GPU of NVIDIA', bandwidth: null }
  }
}
