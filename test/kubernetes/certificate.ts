import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  cert: string
  key: string
}

/** A new self-signed certificate for 127.0.0.1. */
export function makeCertificate(): Certificate {
  const dir = mkdtempSync(join(tmpdir(), 'asr-test-certificate-'))
  try {
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
    ]
    args.push('-subj', '/CN=kubernetes', '-addext', 'subjectAltName=IP:127.0.0.1')
    execFileSync('openssl', [...args, '-keyout', join(dir, 'key'), '-out', join(dir, 'cert')], {
      stdio: 'ignore',
    })
    return { cert: readFileSync(join(dir, 'cert'), 'utf8'), key: readFileSync(join(dir, 'key'), 'utf8') }
  } finally {
    rmSync(dir, { recursive: true })
  }
}
