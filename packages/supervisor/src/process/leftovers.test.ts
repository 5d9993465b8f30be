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

async function startLeftover(options: object = {}): Promise<number | undefined> {
  const env = { [environment.clusterId]: `${port}-test`, [environment.supervisorPid]: String(deadPid) }
  child = spawn('/bin/sleep', ['60'], { env, ...options })
  await once(child, 'spawn')
  return child.pid
}

it('finds as root also what ran as `supervisor.user`', async () => {
  // Without being root the child is of our own user, and we ask as if we were root.
  const uid = process.getuid?.() === 0 ? { uid: nobody } : {}
  const pid = await startLeftover(uid)
  const found = (as: number): number[] => findLeftovers(port, as).map(({ pid }) => pid)
  expect(found(0)).toEqual([pid])
  expect(found(nobody - 1)).toEqual([])
})

it('leaves alone what runs in a container, or may do so, under our own user', async () => {
  const pid = await startLeftover()
  const found = (namespace: string | null): number[] =>
    findLeftovers(port, process.getuid?.(), (of) => (of === pid ? namespace : 'pid:[ours]')).map(
      (info) => info.pid,
    )
  expect(found('pid:[ours]')).toEqual([pid])
  expect(found('pid:[of a container]')).toEqual([])
  expect(found(null)).toEqual([])
})
