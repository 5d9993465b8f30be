import { atEnd, tryRun } from './processes.mjs'

/** A network namespace joined to this one by a cable; null where that is not possible. */
export function createNamespace() {
  const name = `faults-${process.pid}`
  const [outer, inner] = [`fo${process.pid}`, `fi${process.pid}`]
  const net = `10.213.${process.pid % 250}`
  if (tryRun('ip', 'netns', 'add', name) === null) return null
  atEnd(() => tryRun('ip', 'netns', 'del', name))
  const steps = [
    ['ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', inner],
    ['ip', 'link', 'set', inner, 'netns', name],
    ['ip', 'addr', 'add', `${net}.1/24`, 'dev', outer],
    ['ip', 'link', 'set', outer, 'up'],
    ['ip', 'netns', 'exec', name, 'ip', 'addr', 'add', `${net}.2/24`, 'dev', inner],
    ['ip', 'netns', 'exec', name, 'ip', 'link', 'set', inner, 'up'],
    ['ip', 'netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up'],
  ]
  if (steps.some((step) => tryRun(...step) === null)) return null
  atEnd(() => tryRun('ip', 'link', 'del', outer))
  const within = (...command) => tryRun('ip', 'netns', 'exec', name, ...command)
  const queue = (...kind) => within('tc', 'qdisc', 'add', 'dev', inner, 'root', ...kind)
  const chains = ['INPUT', 'OUTPUT']
  const lossRule = ['-p', 'tcp', '-m', 'statistic', '--mode', 'random', '--probability', '0.05', '-j', 'DROP']
  return {
    name,
    address: `${net}.1`,
    inner,
    command: (...command) => ['ip', ['netns', 'exec', name, ...command]],
    /** One packet in twenty is lost in each direction; false where iptables cannot. */
    lose: (on) =>
      chains
        .map((chain) => within('iptables', on ? '-A' : '-D', chain, ...lossRule))
        .every((out) => out !== null),
    /** Nothing passes, and nobody is told. */
    cut: (on) =>
      chains
        .map((chain) => within('iptables', on ? '-I' : '-D', chain, '-p', 'tcp', '-j', 'DROP'))
        .every((out) => out !== null),
    /** Packets to the balancer wait up to 300 ms: in netem, or in the queue of a slow link where the kernel has none. */
    delay: (on) =>
      (on
        ? (queue('netem', 'delay', '200ms', '100ms') ??
          queue('tbf', 'rate', '2mbit', 'burst', '8kb', 'latency', '300ms'))
        : within('tc', 'qdisc', 'del', 'dev', inner, 'root')) !== null,
  }
}
