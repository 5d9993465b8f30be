/** Vulkan in software: which drivers are here, and the driver around one that vulkan-driver.c is. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/lib/chromium']
const names = { lavapipe: /^lvp_icd.*\.json$/, swiftshader: /^vk_swiftshader_icd\.json$/ }

/** Manifest of a driver of Debian: `lavapipe` (mesa-vulkan-drivers) or `swiftshader` (chromium); undefined if not there. */
export function findDriver(name) {
  const found = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
  return found.find((path) => names[name].test(path.split('/').at(-1)))
}

/** Whether there is a compiler for the driver in between. */
export function canBuild() {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Builds it in `folder` around the driver of `manifest`; answers the environment that makes Vulkan use it. */
export function wrapDriver(manifest, folder) {
  const library = join(folder, 'libvulkan_wrapped.so')
  const source = fileURLToPath(new URL('vulkan-driver.c', import.meta.url))
  execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'])
  const { ICD: driver, ...rest } = JSON.parse(readFileSync(manifest, 'utf8'))
  const ours = join(folder, 'wrapped_icd.json')
  writeFileSync(ours, JSON.stringify({ ...rest, ICD: { ...driver, library_path: library } }))
  const { library_path: path } = driver
  const faults = join(folder, 'faults')
  mkdirSync(faults, { recursive: true })
  return {
    ASR_VULKAN_FAULTS: faults,
    VK_DRIVER_FILES: ours,
    ASR_VULKAN_DRIVER: path.startsWith('.') ? resolve(dirname(manifest), path) : path,
  }
}
