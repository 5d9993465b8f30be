export type { BalancerConfig, BalancerMessage, BalancerCommand } from '@asr-cluster/protocol'
