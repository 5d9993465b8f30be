import type { BalancerConfig, BalancerConfigInput } from '@asr-cluster/protocol'

/** The configuration as somebody would have written it, with units, for the balancer to parse on its own. */
export function toBalancerInput(config: BalancerConfig): BalancerConfigInput {
  const ms = (value: number): string => `${value}ms`
  return {
    ...config,
    maxBodySize: `${config.maxBodySize}B`,
    timeouts: {
      connect: ms(config.timeouts.connect),
      body: ms(config.timeouts.body),
      response: ms(config.timeouts.response),
    },
    queue: { ...config.queue, timeout: ms(config.queue.timeout) },
    retry: { ...config.retry, budget: `${Number((config.retry.budget * 100).toFixed(6))}%` },
    health: {
      ...config.health,
      interval: ms(config.health.interval),
      timeout: ms(config.health.timeout),
    },
  }
}
