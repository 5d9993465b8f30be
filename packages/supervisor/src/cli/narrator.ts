import type { ClusterEvent, ClusterListener } from '../cluster/events.js'
import { describeEvent } from '../cluster/events.js'
import { styled } from './output.js'
import type { Output } from './output.js'

const colours = {
  ready: 'green',
  failed: 'red',
  backoff: 'yellow',
  stopped: 'gray',
  starting: 'cyan',
  draining: 'cyan',
  stopping: 'cyan',
} as const

/** Prints one line per change; of a load in progress only each new stage and each further quarter. */
export function createNarrator(output: Output, say: (line: string) => void): ClusterListener {
  const shown = new Map<string, string>()
  return (event) => {
    if (event.type === 'progress') {
      const step = `${event.stage} ${Math.floor(event.ratio * 4)}`
      if (shown.get(event.id) === step) return
      shown.set(event.id, step)
    }
    say(styleEvent(output, event))
  }
}

function styleEvent(output: Output, event: ClusterEvent): string {
  const line = describeEvent(event)
  if (event.type === 'state') return line.replace(event.to, styled(output, colours[event.to], event.to))
  if (event.type === 'notice' && event.level !== 'info') {
    return styled(output, event.level === 'error' ? 'red' : 'yellow', line)
  }
  return line
}
