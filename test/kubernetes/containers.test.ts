import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { repositoryRoot } from '../harness/index.js'

/** Minutes of building, and root for a daemon of its own: only where it is asked for (`1`, or the script's flags). */
const wanted = process.env['ASR_TEST_CONTAINERS']

it.skipIf(!wanted)(
  'the images build, run as nobody on a read-only root, transcribe and drain',
  () => {
    const flags = wanted === '1' ? [] : (wanted ?? '').split(' ')
    const script = `${repositoryRoot}deploy/docker/check.sh`
    const { status, stdout, stderr } = spawnSync(script, flags, { encoding: 'utf8', timeout: 1_700_000 })
    console.log(stdout)
    expect(status, `${stdout}\n${stderr}`).toBe(0)
    expect(stdout).toMatch(/^passed$/m)
  },
  1_800_000,
)
