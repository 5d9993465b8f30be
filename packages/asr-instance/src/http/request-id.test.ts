import { expect, it } from 'vitest'
import { requestIdFor } from './request-id.js'

it('keeps an id that is short and harmless', () => {
  expect(requestIdFor('abc-1.2:3_x')).toBe('abc-1.2:3_x')
  // What base64 and addresses are made of; the balancer lets it through, so the answer must name it too.
  expect(requestIdFor('Root=1/a+b@c')).toBe('Root=1/a+b@c')
})

it.each([undefined, '', 'a b', 'x'.repeat(129), 'a\nb', ['a', 'b'], '"', 'é'])(
  'makes one for %j',
  (header) => {
    expect(requestIdFor(header)).toMatch(/^[0-9a-f-]{36}$/)
  },
)
