import { describe, expect, it } from 'vitest'
import { ConfigurationError } from './option-errors.js'
import { resolveConfig } from './options.js'

describe('resolveConfig', () => {
  it('lays flags over the JSON over the defaults', () => {
    const config = resolveConfig(
      { port: 1, queue: { max: 5, timeout: '1s' } },
      { 'queue-max': 9, 'retry-budget': '50%' },
    )
    expect(config).toMatchObject({
      port: 1,
      policy: 'weighted-round-robin',
      queue: { max: 9, timeout: 1_000 },
      retry: { attempts: 2, budget: 0.5 },
    })
  })

  it.each([
    [{ nope: 1 }, 'nope'],
    [{ queue: { max: -1 } }, 'queue.max'],
    [{ queue: { timeout: 5 } }, 'queue.timeout'],
    ['text', 'object'],
    [{ health: { path: '//' } }, 'health.path'],
    [{ health: { path: 'http://other/x' } }, 'health.path'],
  ])('names what is wrong in %j', (base, where) => {
    expect(() => resolveConfig(base, {})).toThrow(ConfigurationError)
    expect(() => resolveConfig(base, {})).toThrow(where)
  })
})
