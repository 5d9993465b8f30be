import { connect } from 'node:tls'

const timeoutMs = 2_000

/**
 * The certificate, as PEM, that the server behind an address presents. It proves nothing by itself: only for an address
 * of which we know who listens there.
 */
export function peerCertificate(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()?.toString()
      socket.destroy()
      if (certificate === undefined) reject(new Error('the server has no certificate'))
      else resolve(certificate)
    })
  })
}
