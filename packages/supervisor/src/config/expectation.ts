type Path = readonly PropertyKey[]

/** A node of the JSON schema, as far as messages need it. */
export interface SchemaNode {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: SchemaNode[]
  items?: SchemaNode
  minItems?: number
  properties?: Record<string, SchemaNode>
  additionalProperties?: SchemaNode | boolean
  minimum?: number
  maximum?: number
  pattern?: string
}

/** What the schema says of the value at a path; null where it says nothing. */
export function schemaAt(root: SchemaNode, path: Path): SchemaNode | null {
  let node: SchemaNode | undefined = root
  for (const key of path) {
    const kinds: SchemaNode[] = node === undefined ? [] : (node.anyOf ?? [node])
    node = kinds.map((kind) => child(kind, key)).find((found) => found !== undefined)
  }
  return node ?? null
}

function child(
  { items, properties, additionalProperties }: SchemaNode,
  key: PropertyKey,
): SchemaNode | undefined {
  if (typeof key === 'number') return items
  const named =
    properties !== undefined && Object.hasOwn(properties, key) ? properties[String(key)] : undefined
  return named ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
}

/** `a whole number from 0 to 65535`; null for what only a message of its own can say. */
export function describeExpectation(node: SchemaNode): string | null {
  if (node.anyOf !== undefined) {
    const kinds = node.anyOf.map(describeExpectation)
    return kinds.includes(null) ? null : kinds.join(' or ')
  }
  const choices = node.const === undefined ? node.enum : [node.const]
  if (choices !== undefined) return oneOf(choices.map((choice) => `\`${String(choice)}\``))
  if (node.pattern !== undefined) return describePattern(node.pattern)
  if (Array.isArray(node.type)) return oneOf(node.type.map((type) => describeType({ ...node, type })))
  return describeType(node)
}

function describeType({ type, minimum, maximum, minItems }: SchemaNode): string {
  switch (type) {
    case 'integer':
      return `a whole number${between(minimum, maximum)}`
    case 'number':
      return `a number${between(minimum, maximum)}`
    case 'boolean':
      return '`true` or `false`'
    case 'array':
      return minItems === undefined ? 'a list' : 'a list that is not empty'
    case 'object':
      return 'keys with values'
    default:
      return 'text'
  }
}

function describePattern(pattern: string): string | null {
  if (pattern.includes('ms|s|m|h')) return 'a duration such as 500ms, 5s, 2m or 1h'
  if (pattern.includes('KiB')) return 'a size such as 512KB, 100MB or 1GiB'
  if (pattern.endsWith('%$')) return 'a percentage such as 20%'
  return null
}

/** zod gives every whole number the bounds of what a double holds. */
function between(minimum = -Infinity, maximum = Infinity): string {
  const [isBelow, isAbove] = [Number.isSafeInteger(minimum - 1), Number.isSafeInteger(maximum + 1)]
  if (isBelow && isAbove) return ` from ${minimum} to ${maximum}`
  return isBelow ? ` from ${minimum} on` : isAbove ? ` up to ${maximum}` : ''
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** `, got 5`. Texts are not shown: one may be a key that belongs to nobody else, and it stands at the place that is given. */
export function describeGot(value: unknown, node: SchemaNode): string {
  if (typeof value === 'string') return acceptsText(node) ? '' : ', got text'
  if (value === null || value === undefined) return ', got nothing'
  if (Array.isArray(value)) return value.length > 0 ? ', got a list' : ', got an empty list'
  return `, got ${typeof value === 'object' ? 'keys with values' : String(value as number | boolean)}`
}

function acceptsText({ anyOf, type, enum: choices, const: only }: SchemaNode): boolean {
  const isText = (value: unknown): boolean => typeof value === 'string'
  return (
    anyOf?.some(acceptsText) ?? choices?.some(isText) ?? (isText(only) || [type].flat().includes('string'))
  )
}

/** What may be meant by a key that is none, for the end of a sentence. */
export function suggestKey(root: SchemaNode, path: Path): string {
  const wanted = String(path.at(-1))
  const siblings = keysOf(path.length === 1 ? root : schemaAt(root, path.slice(0, -1)))
  const near = siblings.find((key) => isNear(key, wanted))
  if (near !== undefined) return `; did you mean \`${near}\`?`
  const elsewhere = findKey(root, wanted, '')
  if (elsewhere !== null) return `; did you mean \`${elsewhere}\`?`
  return siblings.length > 0 ? `; there are ${siblings.join(', ')}` : ''
}

const keysOf = (node: SchemaNode | null): string[] =>
  node === null
    ? []
    : [node, ...(node.anyOf ?? [])].flatMap(({ properties }) => Object.keys(properties ?? {}))

function findKey(node: SchemaNode, wanted: string, at: string): string | null {
  for (const [key, below] of Object.entries(node.properties ?? {})) {
    const path = at === '' ? key : `${at}.${key}`
    if (key.toLowerCase() === wanted.toLowerCase()) return path
    const found = findKey(below.items ?? below, wanted, below.items ? `${path}[]` : path)
    if (found !== null) return found
  }
  return null
}

/** The same letters, or nearly: one may be wrong, missing or too many, in a long word two. */
function isNear(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.toLowerCase().replaceAll(/[-_]/g, '')) as [string, string]
  const lettersOf = (word: string): string => [...word].toSorted().join('')
  return lettersOf(left) === lettersOf(right) || distance(left, right) <= (left.length < 6 ? 1 : 2)
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j += 1) {
      const [above = 0, before = 0, left = 0] = [row[j], row[j - 1], next[j - 1]]
      next.push(Math.min(above + 1, left + 1, before + (letter === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
