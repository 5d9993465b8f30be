import { describe, expect, it } from 'vitest'
import { createSystemResolver, type DnsFunctions } from './system-resolver.js'

const unknown = (): Promise<never> => Promise.reject(new Error('ENOTFOUND'))
const dns: DnsFunctions = {
  lookup: () => Promise.resolve([{ address: '10.0.0.1' }, { address: '10.0.0.2' }, { address: '10.0.0.1' }]),
  resolve4: () => Promise.resolve([{ ttl: 30 }, { ttl: 5 }]),
  resolve6: unknown,
  resolveSrv: unknown,
}

describe('the resolver of the system', () => {
  it('tells each address once, with the shortest TTL that DNS knows', async () => {
    expect(await createSystemResolver(dns).addresses('asr')).toEqual({
      addresses: ['10.0.0.1', '10.0.0.2'],
      ttlMs: 5_000,
    })
  })

  it('tells no TTL where only the system knows the name, as of /etc/hosts', async () => {
    const resolver = createSystemResolver({ ...dns, resolve4: unknown })
    expect(await resolver.addresses('asr')).toEqual({ addresses: ['10.0.0.1', '10.0.0.2'] })
  })

  it('rejects what the system does not know', async () => {
    await expect(createSystemResolver({ ...dns, lookup: unknown }).addresses('asr')).rejects.toThrow(
      'ENOTFOUND',
    )
  })
})
