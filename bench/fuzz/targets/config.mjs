import { readFileSync } from 'node:fs'
import { ConfigError } from '../../../packages/supervisor/dist/index.js'
import { parseConfig } from '../../../packages/supervisor/dist/config/parse-config.js'

export const seeds = [
  readFileSync(new URL('../../../config/asr-cluster.yaml', import.meta.url)),
  ...[
    'balancer: { port: 1, timeouts: { body: 5s } }\ngroups:\n  - { name: a, weights: [3, 2], env: { A: 1 } }\n',
    'a: &a [x, x]\nb: &b [*a, *a]\ngroups: [*b]\n',
    'groups:\n  - &g { name: a }\n  - { <<: *g, name: b }\nautoscale: { min: 2, max: 1 }\n',
    '? [a, b]\n: c\n"__proto__": { polluted: true }\n!!binary x: y\n',
    '%YAML 1.1\n---\nbalancer: !!map { host: "0.0.0.0" }\n...\n---\nx\n',
    'groups:\n  - command: [a, "{port}"]\n    healthPath: /x\n    cpus: exclusive\nauth: { apiKeys: [sha256:00] }\n',
  ].map((text) => Buffer.from(text)),
]
export const dictionary = [
  '&a ',
  '*a',
  '<<: ',
  '!!',
  '? ',
  '|\n',
  '>-\n',
  '__proto__',
  'constructor: ',
  '{',
  '}',
  '[',
  ']',
  '- ',
  '#',
  '%YAML 1.1\n---\n',
  '\t',
  '5s',
  '1e999',
  '0x10',
  '.inf',
  '!!js/function ',
  '!!set ',
  '!!omap ',
  '!!timestamp ',
  'a'.repeat(60),
]

export function run(bytes) {
  try {
    parseConfig(bytes.toString('utf8'), 'fuzz.yaml')
    return 'taken'
  } catch (error) {
    if (error instanceof ConfigError) return 'refused'
    throw error
  }
}
