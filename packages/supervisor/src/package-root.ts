import { createRequire } from 'node:module'
import { dirname } from 'node:path'

/** Where npm put this package, found by its name: the same code runs from `src/`, `dist/` and, bundled, `dist/programs/`. */
export const packageRoot = dirname(
  createRequire(import.meta.url).resolve('@asr-cluster/supervisor/package.json'),
)
