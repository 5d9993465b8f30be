import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { environment } from '@asr-cluster/protocol'
import { afterEach, expect, it } from 'vitest'
import { findLeftovers } from './leftovers.js'

const port = 59_999
/** Larger than any pid of Linux. */
const deadPid = 4_194_305
const nobody = 65_534
let child: ReturnType<typeof spawn> | null = null

afterEach(async () => {
  if (child?.kill('SIGKILL')) await once(child, 'exit')
  child = null
})

it('finds as root also what ran as `supervisor.user`', async () => {
  const env = { [environment.clusterId]: `${port}-test`, [environment.supervisorPid]: String(deadPid) }
  // Without being root the child is of our own user, and we ask as if we were root.
  const uid = process.getuid?.() === 0 ? { uid: nobody } : {}
  child = spawn('/bin/sleep', ['60'], { env, ...uid })
  await once(child, 'spawn')
  const found = (as: number): number[] => findLeftovers(port, as).map(({ pid }) => pid)
  expect(found(0)).toEqual([child.pid])
  expect(found(nobody - 1)).toEqual([])
})
