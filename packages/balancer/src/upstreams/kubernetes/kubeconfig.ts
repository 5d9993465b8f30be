import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigurationError } from '../../option-errors.js'
import type { ApiAccess, Surroundings, TlsOptions } from './api-access.js'
import { createExecCredential, execConfigSchema } from './exec-credential.js'

const clusterSchema = z.object({
  server: z.string(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': z.string().optional(),
  'proxy-url': z.string().optional(),
})

const userSchema = z.object({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  exec: execConfigSchema.optional(),
  'auth-provider': z.unknown().optional(),
})

const contextSchema = z.object({ cluster: z.string(), user: z.string(), namespace: z.string().optional() })

const fileSchema = z.object({
  'current-context': z.string().optional(),
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.object({ name: z.string(), user: userSchema.nullish() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
})

type File = z.infer<typeof fileSchema> & { path: string }

/** Of several files the first that says something counts, as with kubectl. Throws ConfigurationError. */
export function accessOfKubeconfig(paths: readonly string[], surroundings: Surroundings): ApiAccess {
  const files = paths.map((path) => readKubeconfig(path, surroundings))
  const fail = (problem: string): never => {
    throw new ConfigurationError(`${paths.join(', ')}: ${problem}`)
  }
  const contextName = files.map((file) => file['current-context']).find(Boolean) ?? fail('no current-context')
  const context =
    files.flatMap((file) => file.contexts ?? []).find(({ name }) => name === contextName)?.context ??
    fail(`no context \`${contextName}\``)
  const clusterFile = files.find((file) => file.clusters?.some(({ name }) => name === context.cluster))
  const userFile = files.find((file) => file.users?.some(({ name }) => name === context.user))
  const cluster =
    clusterFile?.clusters?.find(({ name }) => name === context.cluster)?.cluster ??
    fail(`no cluster \`${context.cluster}\``)
  const user = userFile?.users?.find(({ name }) => name === context.user)?.user ?? {}
  if (cluster['proxy-url'] !== undefined) fail('proxy-url is not supported')
  if (user['auth-provider'] !== undefined) fail('auth-provider is gone from Kubernetes: use exec')
  /** Inline and in base64, else from the file, whose path is relative to the kubeconfig. */
  const pem = (
    data: string | undefined,
    path: string | undefined,
    base: File | undefined,
  ): string | undefined =>
    data !== undefined
      ? Buffer.from(data, 'base64').toString()
      : path === undefined
        ? undefined
        : surroundings.readFile(resolve(dirname(base?.path ?? ''), path))
  const execCredential = user.exec && createExecCredential(user.exec, surroundings.env)
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: context.namespace ?? 'default',
    tls: () =>
      defined({
        ca: pem(cluster['certificate-authority-data'], cluster['certificate-authority'], clusterFile),
        cert: pem(user['client-certificate-data'], user['client-certificate'], userFile),
        key: pem(user['client-key-data'], user['client-key'], userFile),
        servername: cluster['tls-server-name'],
        rejectUnauthorized: cluster['insecure-skip-tls-verify'] === true ? false : undefined,
      }),
    async authorization() {
      if (execCredential) return `Bearer ${await execCredential()}`
      if (user.tokenFile !== undefined) {
        const path = resolve(dirname(userFile?.path ?? ''), user.tokenFile)
        return `Bearer ${surroundings.readFile(path).trim()}`
      }
      if (user.token !== undefined) return `Bearer ${user.token}`
      if (user.username === undefined) return undefined
      return `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`
    },
  }
}

function readKubeconfig(path: string, { readFile }: Surroundings): File {
  try {
    const parsed = fileSchema.safeParse(parse(readFile(path)))
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error))
    return { ...parsed.data, path }
  } catch (error) {
    throw new ConfigurationError(`KUBECONFIG ${path}: ${(error as Error).message}`)
  }
}

function defined(options: Record<keyof TlsOptions, string | boolean | undefined>): TlsOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
