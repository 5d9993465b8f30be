import { expect, test } from 'vitest'
import { clusterConfigSchema } from './schema.js'
import { toInput } from './to-input.js'

test('what is printed can be read again', () => {
  const config = clusterConfigSchema.parse({
    balancer: { tls: { cert: '/etc/asr/cert.pem', key: '/etc/asr/key.pem' } },
    cache: { enabled: true, dir: '/var/cache/asr', maxDiskBytes: '2GB', redis: 'rediss://cache:6380/1' },
    auth: {
      apiKeys: [
        'a-plain-key',
        { key: 'a-limited-key', name: 'batch', requestsPerMinute: 60, concurrency: 4 },
      ],
    },
  })
  expect(clusterConfigSchema.parse(toInput(config))).toEqual(config)
})

test.each([
  ['redis://user:s3cret@cache:6379/1', 'redis://user:…@cache:6379/1'],
  ['redis://:s3cret@cache', 'redis://:…@cache'],
  ['redis://user@cache', 'redis://user@cache'],
  ['unix:///run/redis.sock', 'unix:///run/redis.sock'],
])('the password of %s is not printed', (redis, printed) => {
  const { cache } = toInput(clusterConfigSchema.parse({ cache: { redis } })) as { cache: { redis: string } }
  expect(cache.redis).toBe(printed)
})
