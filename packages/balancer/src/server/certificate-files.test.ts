import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCertificate, type CertificatePair } from '@asr-cluster/protocol'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { certificateFolder, makeCertificate } from '../fixtures/certificate.js'
import { waitFor } from '../fixtures/cluster.js'
import { CertificateFiles } from './certificate-files.js'

const log = pino({ level: 'silent' })

describe('readCertificate', () => {
  it('reads a pair, and names the file and the reason where it is none', () => {
    const dir = certificateFolder()
    const [first, second] = [makeCertificate(dir, 'first'), makeCertificate(dir, 'second')]
    expect(readCertificate(first)).toMatchObject({ subject: 'CN=first' })
    const noFile = join(dir, 'missing.key')
    const noPem = join(dir, 'garbage.pem')
    writeFileSync(noPem, 'secret garbage')
    expect(() => readCertificate({ ...first, key: second.key })).toThrow(
      `${second.key} is not the key of the certificate in ${first.cert}`,
    )
    expect(() => readCertificate({ ...first, key: noFile })).toThrow(`${noFile} cannot be read: ENOENT`)
    expect(() => readCertificate({ ...first, key: noPem })).toThrow(/garbage.pem holds no private key in PEM/)
    expect(() => readCertificate({ ...first, cert: noPem })).toThrow(
      /garbage.pem holds no certificate in PEM/,
    )
    expect(() => readCertificate({ ...first, key: noPem })).not.toThrow(/secret/)
    expect(() => readCertificate({ ...first, key: first.cert })).toThrow(/holds no private key/)
  })
})

describe('CertificateFiles', () => {
  function follow() {
    const dir = certificateFolder()
    const files = makeCertificate(dir, 'present')
    const taken: CertificatePair[] = []
    const options = { files, log, onCertificate: (pair: CertificatePair) => void taken.push(pair) }
    const certificateFiles = new CertificateFiles(options, readCertificate(files))
    const replaceBy = (name: string): void => {
      const { cert, key } = makeCertificate(dir, name)
      copyFileSync(cert, files.cert)
      copyFileSync(key, files.key)
    }
    return { dir, files, taken, certificateFiles, replaceBy }
  }

  it('takes a new pair once, and keeps the one before when the files do not fit', () => {
    const { dir, files, taken, certificateFiles, replaceBy } = follow()
    expect(certificateFiles.reload()).toBe(false)
    replaceBy('next')
    expect([certificateFiles.reload(), certificateFiles.reload()]).toEqual([true, false])
    copyFileSync(makeCertificate(dir, 'other').key, files.key)
    expect(() => certificateFiles.reload()).toThrow(/is not the key of/)
    expect(taken.map(({ subject }) => subject)).toEqual(['CN=next'])
  })

  it('sees that the files change, also when one is away or does not fit for a moment', async () => {
    const { dir, files, taken, certificateFiles, replaceBy } = follow()
    onTestFinished(certificateFiles.watch(20))
    replaceBy('next')
    await waitFor(() => taken.length === 1)
    const { cert, key } = makeCertificate(dir, 'last')
    copyFileSync(cert, files.cert)
    rmSync(files.key)
    // So long that the files were looked at.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(taken).toHaveLength(1)
    copyFileSync(key, files.key)
    await waitFor(() => taken.length === 2)
    expect(taken.map(({ subject }) => subject)).toEqual(['CN=next', 'CN=last'])
  })
})
