import { describe, expect, it } from 'vitest'
import { bucketQuantile, growthOf } from './growth.js'
import { parseMetrics } from './parse-metrics.js'

describe('growthOf', () => {
  it('subtracts series by series, and starts anew with a new process', () => {
    const before = parseMetrics('n{a="1",b="2"} 10\nn{a="2",b="2"} 50\n')
    const after = parseMetrics('n{b="2",a="1"} 14\nn{a="2",b="2"} 3\nn{a="3",b="2"} 7\n')
    expect(growthOf(before, after, 'n').map(({ value }) => value)).toEqual([4, 3, 7])
    expect(growthOf(before, after, 'none')).toEqual([])
  })
})

describe('bucketQuantile', () => {
  const buckets = (text: string) => parseMetrics(text).get('h_bucket') ?? []

  it('is linear within a bucket', () => {
    const even = buckets('h_bucket{le="1"} 10\nh_bucket{le="2"} 20\nh_bucket{le="+Inf"} 20\n')
    expect(bucketQuantile(0.5, even)).toBe(1)
    expect(bucketQuantile(0.75, even)).toBe(1.5)
    expect(bucketQuantile(0.05, even)).toBeCloseTo(0.1)
  })

  it('adds up several series, in any order of bounds', () => {
    const two = buckets(
      'h_bucket{le="+Inf",r="a"} 4\nh_bucket{le="1",r="a"} 0\nh_bucket{le="1",r="b"} 4\nh_bucket{le="+Inf",r="b"} 4\n',
    )
    expect(bucketQuantile(0.5, two)).toBe(1)
  })

  it('has the last bound for what lies beyond, and nothing for nothing', () => {
    expect(bucketQuantile(0.99, buckets('h_bucket{le="5"} 0\nh_bucket{le="+Inf"} 3\n'))).toBe(5)
    expect(bucketQuantile(0.99, buckets('h_bucket{le="5"} 0\nh_bucket{le="+Inf"} 0\n'))).toBeNull()
    expect(bucketQuantile(0.5, [])).toBeNull()
  })
})
