export { bucketQuantile, growthOf } from './growth.js'
export { parseMetrics, sumOf } from './parse-metrics.js'
export type { Metrics, Sample } from './parse-metrics.js'
