import { expect, it } from 'vitest'
import { bindListeningSocket } from '../balancer/listening-socket.js'
import { choosePort } from './choose-port.js'

it('does not take a reserved port, not even the one asked for, though nobody listens there yet', async () => {
  const bound = bindListeningSocket('127.0.0.1', 0)
  try {
    const { port, takenBy } = await choosePort('127.0.0.1', bound.port, (other) => other === bound.port)
    expect(port).toBeGreaterThan(bound.port)
    expect(takenBy).toBeNull()
  } finally {
    bound.close()
  }
})
