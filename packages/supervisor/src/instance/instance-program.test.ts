import { describe, expect, it } from 'vitest'
import { clusterConfigSchema } from '../config/schema.js'
import { instanceProgram } from './instance-program.js'
import { planInstances } from './plan-instances.js'

function programOf(group: object, allowUsers: number[] | null = null) {
  const config = clusterConfigSchema.parse({ groups: [{ basePort: 0, ...group }] })
  const machine = { cores: [0, 1], gpus: [] }
  const [spec] = planInstances({ config, counts: new Map(), machine, clientsPort: 7860, existing: [] })
  if (!spec) throw new Error('no instance was planned')
  return instanceProgram({
    spec: () => spec,
    command: ['node', 'asr-instance.js'],
    clusterId: 'test',
    isReserved: () => false,
    user: null,
    pciBusId: () => null,
    allowUsers,
    onProgress: () => undefined,
    onNotice: () => undefined,
  })
}

describe('how the balancer sees an instance', () => {
  it('is told of ours that each answer is marked, with a new identity in each life', async () => {
    const program = programOf({})
    const [first, second] = [program.member(false), (await program.prepare(), program.member(false))]
    expect(first).toMatchObject({ native: true, marks: true, identity: expect.stringMatching(/^\w{32}$/) })
    expect(second.identity).not.toBe(first.identity)
  })

  it('answers the users that may ask it, where that can be told, and a server of others is not asked to', async () => {
    const argsOf = async (group: object, users: number[] | null): Promise<readonly string[]> =>
      (await programOf(group, users).prepare()).args
    const args = await argsOf({}, [0, 998])
    expect(args[args.indexOf('--allow-users') + 1]).toBe('0,998')
    expect(await argsOf({}, null)).not.toContain('--allow-users')
    expect(await argsOf({ command: ['serve', '{port}'] }, [0])).toEqual([expect.stringMatching(/^\d+$/)])
  })

  it("starts ours with the limit of its plan, which is the balancer's", async () => {
    const { args } = await programOf({}).prepare()
    expect(args[args.indexOf('--max-body-size') + 1]).toBe('100000000B')
  })

  it('expects no mark of a server of others', () => {
    const member = programOf({ command: ['serve', '{port}'], healthPath: '/ping' }).member(true)
    expect(member).toMatchObject({ native: false, draining: true, healthPath: '/ping' })
    expect(member).not.toHaveProperty('marks')
    expect(member).not.toHaveProperty('identity')
  })
})
