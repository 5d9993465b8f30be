import { describe, expect, it } from 'vitest'
import { resolveAllowUsers } from './allow-users.js'

const users = (uid: number) => ({
  currentUid: () => uid,
  passwd: () => 'root:x:0:0:root:/root:/bin/sh\nprometheus:x:997:997::/:/bin/false\n',
})
const asr = { name: 'asr', uid: 998, gid: 998, home: '/' }

describe('who is answered by instances on their own ports', () => {
  it('is root, whoever runs the supervisor, and whoever the programs run as', () => {
    expect(resolveAllowUsers([], null, users(0), true)).toEqual([0])
    expect(resolveAllowUsers([], null, users(1_000), true)).toEqual([0, 1_000])
    expect(resolveAllowUsers([], asr, users(0), true)).toEqual([0, 998])
  })

  it('is who is configured besides, by name or number', () => {
    expect(resolveAllowUsers(['prometheus', '12345'], asr, users(0), true)).toEqual([0, 997, 998, 12_345])
    expect(() => resolveAllowUsers(['nobody-here'], null, users(0), true)).toThrow('there is no user')
  })

  it('is everybody when that is configured, or when the system does not tell', () => {
    expect(resolveAllowUsers('any', asr, users(0), true)).toBeNull()
    expect(resolveAllowUsers([], asr, users(0), false)).toBeNull()
  })
})
