import { describe, expect, it } from 'vitest'
import { serve } from '../fixtures/serve.js'
import { HubConnection, hubOptions, nextUrl } from './hub-connection.js'
import { TransferError } from './transfer-error.js'

describe('hubOptions', () => {
  it('is the public hub unless the environment says otherwise', () => {
    expect(hubOptions({})).toEqual({ endpoint: 'https://huggingface.co', token: undefined })
    expect(hubOptions({ HF_ENDPOINT: 'http://mirror:8080/hf/', HF_TOKEN: 't' })).toEqual({
      endpoint: 'http://mirror:8080/hf',
      token: 't',
    })
    expect(() => hubOptions({ HF_ENDPOINT: 'mirror:8080' })).toThrow(/HF_ENDPOINT/)
  })
})

describe('nextUrl', () => {
  const from = new URL('https://hub/a/b?c')

  it('follows within the host and to others', () => {
    expect(nextUrl(from, '/api/x').href).toBe('https://hub/api/x')
    expect(nextUrl(from, 'https://content/y?sig').href).toBe('https://content/y?sig')
  })

  it.each(['http://hub/a', 'file:///etc/passwd', 'data:,x', 'https://'])('not to %s', (location) => {
    expect(() => nextUrl(from, location)).toThrow(/redirects/)
  })
})

describe('get', () => {
  it('ends in a circle', async () => {
    const server = await serve((_, response) => void response.writeHead(302, { location: '/again' }).end())
    const hub = new HubConnection({ endpoint: server.url, token: undefined })
    await expect(hub.get('/x', 'x')).rejects.toMatchObject({ code: 'hub_redirects' })
    await hub.close()
  })

  it('takes a silent hub, and one that is not there, for something to try again', async () => {
    const server = await serve(() => {})
    const hub = new HubConnection({ endpoint: server.url, token: undefined, stallTimeoutMs: 30 })
    await expect(hub.get('/x', 'x')).rejects.toThrow(TransferError)
    await server.close()
    await expect(hub.get('/x', 'x')).rejects.toThrow(/ECONNREFUSED/)
    await hub.close()
  })
})
