import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ConfigurationError } from '../../option-errors.js'
import { accessOfKubeconfig } from './kubeconfig.js'

export interface TlsOptions {
  ca?: string
  cert?: string
  key?: string
  servername?: string
  rejectUnauthorized?: boolean
}

/** The way to an API server. Files are read for each request, because tokens and certificates are rotated in place. */
export interface ApiAccess {
  /** Origin and path prefix without a slash at the end. */
  server: string
  /** Where a Service is looked for that names none. */
  namespace: string
  tls(): TlsOptions
  /** Value of `Authorization`. */
  authorization(): Promise<string | undefined>
}

/** What the way is found from; injected for tests. */
export interface Surroundings {
  env: NodeJS.ProcessEnv
  readFile: (path: string) => string
}

export const systemSurroundings: Surroundings = {
  env: process.env,
  readFile: (path) => readFileSync(path, 'utf8'),
}

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

/** `KUBECONFIG`, else the pod's service account, else `~/.kube/config`. Throws ConfigurationError. */
export function apiAccess(surroundings: Surroundings): ApiAccess {
  const { env } = surroundings
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  if (named.length > 0) return accessOfKubeconfig(named, surroundings)
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return accessFromPod(surroundings)
  const usual = join(env['HOME'] ?? homedir(), '.kube', 'config')
  try {
    surroundings.readFile(usual)
  } catch {
    throw new ConfigurationError(
      `kubernetes+http needs a way to the API server: run in a pod, or set KUBECONFIG (there is no ${usual} either)`,
    )
  }
  return accessOfKubeconfig([usual], surroundings)
}

function accessFromPod({ env, readFile }: Surroundings): ApiAccess {
  const host = env['KUBERNETES_SERVICE_HOST'] as string
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443'
  const read = (name: string): string => {
    try {
      return readFile(`${serviceAccount}/${name}`)
    } catch (error) {
      throw new ConfigurationError(
        `the pod has no service account token: ${(error as Error).message}; see automountServiceAccountToken`,
      )
    }
  }
  read('token')
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: read('namespace').trim(),
    tls: () => ({ ca: read('ca.crt') }),
    authorization: async () => Promise.resolve(`Bearer ${read('token').trim()}`),
  }
}
