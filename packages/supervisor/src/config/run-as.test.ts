import { describe, expect, it } from 'vitest'
import { commandLine } from '../process/spawner.js'
import { resolveRunAs } from './run-as.js'

const users = (uid: number) => ({
  currentUid: () => uid,
  passwd: () => 'root:x:0:0:root:/root:/bin/sh\nasr:x:998:997:ASR:/var/lib/asr:/usr/sbin/nologin\n',
})

describe('the user that the programs run as', () => {
  it('is found by name or number', () => {
    const asr = { name: 'asr', uid: 998, gid: 997, home: '/var/lib/asr' }
    expect(resolveRunAs('asr', users(0))).toEqual(asr)
    expect(resolveRunAs('998', users(0))).toEqual(asr)
    expect(resolveRunAs('asr', users(998))).toBeNull()
    expect(resolveRunAs(undefined, users(5))).toBeNull()
  })

  it('must exist, and only root can become another one', () => {
    expect(() => resolveRunAs('nobody-here', users(0))).toThrow('there is no user')
    expect(() => resolveRunAs('asr', users(1_000))).toThrow('only root')
  })

  it('is put before the command, with the parent-death signal and the cores, each replacing itself', () => {
    const request = { file: 'node', args: ['x.js'], env: {}, ipc: true }
    const user = { name: 'asr', uid: 998, gid: 997, home: '/' }
    expect(
      commandLine({ ...request, user, cpuSet: [0, 3] }, { flags: ['--pdeathsig', 'KILL'] }).join(' '),
    ).toBe('setpriv --pdeathsig KILL --reuid 998 --regid 997 --init-groups -- taskset -c 0,3 node x.js')
    expect(commandLine(request, { flags: [] })).toEqual(['node', 'x.js'])
  })
})
