import { z } from 'zod'
import { clusterConfigSchema } from './schema.js'

/** JSON schema (draft 2020-12) of the configuration file, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(clusterConfigSchema, { io: 'input' }) as Record<string, unknown>
}

interface Node {
  type?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  anyOf?: Node[]
  items?: Node
  properties?: Record<string, Node>
  pattern?: string
}

/** The table of all keys with their defaults, in Markdown. */
export function configTable(): string {
  const rows = walk(configJsonSchema() as Node, '', undefined)
  return ['| key | default | what it does |', '|---|---|---|', ...rows].join('\n')
}

function walk(node: Node, path: string, inherited: unknown): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`
    const value = child.default ?? valueIn(inherited, key)
    if (child.properties) return walk(child, at, value)
    if (child.items?.properties) return walk(child.items, `${at}[]`, undefined)
    const shown = value === undefined ? '(none)' : `\`${JSON.stringify(value).replace(/^"(.*)"$/, '$1')}\``
    return [`| \`${at}\` | ${shown} | ${child.description ?? ''} |`]
  })
}

function valueIn(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}
