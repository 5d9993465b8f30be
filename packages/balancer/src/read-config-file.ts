import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigurationError } from './option-errors.js'

const fileSchema = z.strictObject({
  /** As in the configuration of a whole cluster. */
  balancer: z.unknown().optional(),
  /** As the flag `--upstream`. */
  upstreams: z.array(z.string()).default([]),
})

export interface ConfigFile {
  /** The `balancer:` section as written. */
  balancer: unknown
  upstreams: string[]
}

/**
 * Reads `{ balancer?, upstreams? }` from a YAML or JSON file. Throws ConfigurationError that names the file, also when it is
 * empty: whoever writes it may not have got further.
 */
export function readConfigFile(path: string): ConfigFile {
  try {
    const content: unknown = parse(readFileSync(path, 'utf8'))
    if (content === null) throw new Error('it is empty')
    const parsed = fileSchema.safeParse(content)
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error))
    return { balancer: parsed.data.balancer, upstreams: parsed.data.upstreams }
  } catch (error) {
    throw new ConfigurationError(`--config ${path}: ${(error as Error).message}`)
  }
}
