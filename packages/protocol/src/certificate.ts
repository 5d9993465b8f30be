import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

/** Paths of PEM files. */
export interface TlsFiles {
  cert: string
  key: string
}

/** A certificate with its chain, and its private key, as PEM. They belong together. */
export interface CertificatePair {
  cert: string
  key: string
  subject: string
  /** As the certificate writes it, for example `Nov 22 23:00:00 2027 GMT`. */
  validTo: string
  /** The same as Unix time. */
  expiresAtSeconds: number
}

/** A certificate or key that cannot be used; the message names the file and the reason, and shows nothing of the key. */
export class CertificateError extends Error {
  override name = 'CertificateError'
  /** Which of the files is to blame. */
  readonly setting: keyof TlsFiles

  constructor(setting: keyof TlsFiles, path: string, reason: string, cause?: unknown) {
    super(`${path} ${reason}`, { cause })
    this.setting = setting
  }
}

/** Reads both files and checks that a server can be started with them. Throws CertificateError. */
export function readCertificate(files: TlsFiles): CertificatePair {
  const [cert, key] = [readPem(files, 'cert'), readPem(files, 'key')]
  const certificate = attempt('cert', files, 'holds no certificate in PEM', () => new X509Certificate(cert))
  const privateKey = attempt('key', files, 'holds no private key in PEM without a passphrase', () =>
    createPrivateKey(key),
  )
  if (!fits(certificate, privateKey)) {
    throw new CertificateError('key', files.key, `is not the key of the certificate in ${files.cert}`)
  }
  attempt('cert', files, 'is refused by OpenSSL', () => createSecureContext({ cert, key }))
  const { validTo } = certificate
  const subject = certificate.subject.replaceAll('\n', ', ')
  return { cert, key, subject, validTo, expiresAtSeconds: Date.parse(validTo) / 1_000 }
}

function readPem(files: TlsFiles, setting: keyof TlsFiles): string {
  try {
    return readFileSync(files[setting], 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CertificateError(setting, files[setting], `cannot be read: ${code ?? String(error)}`, error)
  }
}

function attempt<T>(setting: keyof TlsFiles, files: TlsFiles, reason: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw new CertificateError(setting, files[setting], reason, error)
  }
}

function fits(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key)
  } catch {
    // Keys of different kinds.
    return false
  }
}
