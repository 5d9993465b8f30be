import { execFile } from 'node:child_process'
import { z } from 'zod'

/** `users[].user.exec` of a kubeconfig. */
export const execConfigSchema = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
})

const credentialSchema = z.object({
  status: z.object({ token: z.string(), expirationTimestamp: z.string().optional() }),
})

const timeoutMs = 30_000
/** A token that ends so soon is asked for anew. */
const leewayMs = 30_000

/**
 * A function that gives a token by running the kubeconfig's credential plugin (`client.authentication.k8s.io`), without a
 * shell; a token is used until it expires. Client certificates of plugins are not supported.
 */
export function createExecCredential(
  config: z.infer<typeof execConfigSchema>,
  env: NodeJS.ProcessEnv,
): () => Promise<string> {
  let token: string | undefined
  let expiresAtMs = 0
  return async () => {
    if (token !== undefined && Date.now() < expiresAtMs - leewayMs) return token
    const output = await run(config, env)
    const { status } = credentialSchema.parse(JSON.parse(output))
    token = status.token
    expiresAtMs = status.expirationTimestamp === undefined ? 0 : Date.parse(status.expirationTimestamp)
    return token
  }
}

function run(config: z.infer<typeof execConfigSchema>, env: NodeJS.ProcessEnv): Promise<string> {
  const info = {
    apiVersion: config.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false },
  }
  const own = Object.fromEntries((config.env ?? []).map(({ name, value }) => [name, value]))
  return new Promise((resolve, reject) => {
    execFile(
      config.command,
      config.args ?? [],
      {
        timeout: timeoutMs,
        env: { ...env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      },
      (error, stdout) => {
        // Its output may be a secret, its error output is for people.
        if (error)
          reject(new Error(`credential plugin ${config.command}: exit ${error.code ?? error.signal}`))
        else resolve(stdout)
      },
    )
  })
}
