import { X509Certificate } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'

/** Options of `tls.connect` by which exactly one certificate is accepted, whatever name or address it is for. */
export interface PinnedTls {
  ca: string
  /** Whoever signed it need not be known. */
  allowPartialTrustChain: true
  checkServerIdentity: (host: string, peer: PeerCertificate) => Error | undefined
}

const pinnedByOrigin = new Map<string, PinnedTls>()

/** From now on the requests of this process to that origin accept this certificate (PEM), and no other. */
export function pinCertificate(baseUrl: string, pem: string): void {
  const { fingerprint256 } = new X509Certificate(pem)
  pinnedByOrigin.set(new URL(baseUrl).origin, {
    ca: pem,
    allowPartialTrustChain: true,
    checkServerIdentity: (_, peer) =>
      peer.fingerprint256 === fingerprint256 ? undefined : new Error('the server has another certificate'),
  })
}

/** None for a server whose certificate is judged in the usual way. */
export function pinnedTls(url: string): PinnedTls | undefined {
  return pinnedByOrigin.size === 0 ? undefined : pinnedByOrigin.get(new URL(url).origin)
}
