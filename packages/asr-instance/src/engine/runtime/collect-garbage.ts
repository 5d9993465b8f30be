import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Where nothing is allocated any more V8 does not look for what is free, and arrays of gigabytes would stay. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
