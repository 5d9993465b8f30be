import { unwatchFile, watchFile } from 'node:fs'
import { readCertificate, type CertificatePair, type TlsFiles } from '@asr-cluster/protocol'
import type { Logger } from 'pino'

/** Two calls of stat; a change by rename or by a symbolic link, as certbot and Kubernetes make it, is seen too. */
const lookIntervalMs = 5_000

export interface CertificateFilesOptions {
  files: TlsFiles
  log: Logger
  onCertificate: (pair: CertificatePair) => void
}

/** Follows the files of a certificate. A pair that cannot be used leaves the one before in use. */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions
  #fingerprint: string

  /** `present` is what is in use. */
  constructor(options: CertificateFilesOptions, present: CertificatePair) {
    this.#options = options
    this.#fingerprint = fingerprintOf(present)
  }

  /** Takes what is in the files now; false when that is in use already. Throws CertificateError. */
  reload(): boolean {
    const { files, log, onCertificate } = this.#options
    const pair = readCertificate(files)
    const fingerprint = fingerprintOf(pair)
    if (fingerprint === this.#fingerprint) return false
    onCertificate(pair)
    this.#fingerprint = fingerprint
    log.info({ subject: pair.subject, validTo: pair.validTo }, 'new certificate')
    return true
  }

  /** Looks at the files from time to time, without keeping the process alive. Returns how to stop that. */
  watch(intervalMs = lookIntervalMs): () => void {
    const { files, log } = this.#options
    const look = (): void => {
      try {
        this.reload()
      } catch (error) {
        // Between the writing of one file and of the other they do not fit; the second change is seen too.
        log.warn({ reason: (error as Error).message }, 'certificate not taken, the one before stays')
      }
    }
    for (const path of Object.values(files) as string[]) {
      watchFile(path, { interval: intervalMs, persistent: false }, look)
    }
    return () => {
      for (const path of Object.values(files) as string[]) unwatchFile(path, look)
    }
  }
}

/** Of the chain too: it may be completed for the same certificate. */
function fingerprintOf({ cert, key }: CertificatePair): string {
  return `${cert}\n${key}`
}
