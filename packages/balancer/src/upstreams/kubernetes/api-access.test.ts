import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { ConfigurationError } from '../../option-errors.js'
import { apiAccess } from './api-access.js'

function surroundings(env: NodeJS.ProcessEnv, files: Record<string, string>) {
  const readFile = (path: string): string => {
    const text = files[path]
    if (text === undefined) throw new Error(`ENOENT ${path}`)
    return text
  }
  return { env, readFile, files }
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
const base64 = (text: string): string => Buffer.from(text).toString('base64')

function kubeconfig(user: object, cluster: object = {}): string {
  return stringify({
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', namespace: 'speech' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://api.example:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
  })
}

describe('apiAccess', () => {
  it('in a pod uses its service account, whose files are read again for each request', async () => {
    const around = surroundings(
      { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' },
      { [`${account}/token`]: 'one\n', [`${account}/namespace`]: 'speech\n', [`${account}/ca.crt`]: 'CA1' },
    )
    const access = apiAccess(around)
    expect(access).toMatchObject({ server: 'https://[fd00::1]:6443', namespace: 'speech' })
    expect([access.tls(), await access.authorization()]).toEqual([{ ca: 'CA1' }, 'Bearer one'])
    around.files[`${account}/token`] = 'two'
    around.files[`${account}/ca.crt`] = 'CA2'
    expect([access.tls(), await access.authorization()]).toEqual([{ ca: 'CA2' }, 'Bearer two'])
  })

  it('says what is missing in a pod without a token', () => {
    const around = surroundings({ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, {})
    expect(() => apiAccess(around)).toThrow('automountServiceAccountToken')
  })

  it('reads certificates from a kubeconfig, inline or from files beside it', () => {
    const user = { 'client-certificate': 'me.crt', 'client-key-data': base64('KEY') }
    const cluster = { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' }
    const around = surroundings(
      { KUBECONFIG: '/etc/k/config' },
      { '/etc/k/config': kubeconfig(user, cluster), '/etc/k/me.crt': 'CERT' },
    )
    const access = apiAccess(around)
    expect(access).toMatchObject({ server: 'https://api.example:6443', namespace: 'speech' })
    expect(access.tls()).toEqual({ ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'kubernetes' })
  })

  it('takes each thing from the first of several kubeconfigs that has it', async () => {
    const around = surroundings(
      { KUBECONFIG: '/a:/b', HOME: '/root' },
      {
        '/a': stringify({ users: [{ name: 'u', user: { token: 'first' } }] }),
        '/b': kubeconfig({ token: 'second' }),
      },
    )
    expect(await apiAccess(around).authorization()).toBe('Bearer first')
  })

  it('runs a credential plugin without a shell, and again only when its token has expired', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'asr-test-plugin-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const plugin = join(dir, 'plugin.mjs')
    writeFileSync(
      plugin,
      `import { appendFileSync, readFileSync } from 'node:fs'
       appendFileSync(process.env.COUNT, 'x')
       const runs = readFileSync(process.env.COUNT, 'utf8').length
       const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO)
       const expirationTimestamp = new Date(Date.now() + (runs === 1 ? 3_600_000 : 0)).toISOString()
       console.log(JSON.stringify({ kind: info.kind, status: { token: process.argv[2] + runs, expirationTimestamp } }))`,
    )
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: [plugin, '$(token)'],
      env: [{ name: 'COUNT', value: join(dir, 'count') }],
    }
    const access = apiAccess(surroundings({ KUBECONFIG: '/c' }, { '/c': kubeconfig({ exec }) }))
    expect(await access.authorization()).toBe('Bearer $(token)1')
    expect(await access.authorization()).toBe('Bearer $(token)1')
  })

  it.each([
    ['no current-context', '{}'],
    ['KUBECONFIG /c', 'clusters: 3'],
    ['proxy-url', kubeconfig({}, { 'proxy-url': 'http://proxy' })],
    ['auth-provider', kubeconfig({ 'auth-provider': { name: 'gcp' } })],
  ])('refuses a kubeconfig with a sentence: %s', (problem, text) => {
    const open = (): unknown => apiAccess(surroundings({ KUBECONFIG: '/c' }, { '/c': text }))
    expect(open).toThrow(ConfigurationError)
    expect(open).toThrow(problem)
  })
})
