import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ControlClient } from './control-client.js'

it('says what may be the matter with a supervisor that accepts and does not answer', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'control-client-'))
  const path = join(dir, 's.sock')
  // As the kernel does for a process that is stopped.
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const client = new ControlClient(path, 1)
  try {
    const refusal = 'does not answer: its process may be stopped (`kill -CONT PID` lets it go on)'
    await expect(client.status()).rejects.toThrow(refusal)
    await expect(client.balancer()).rejects.toThrow(refusal)
    await expect(client.stream('POST', '/stop').next()).rejects.toThrow(refusal)
  } finally {
    await client.close()
    server.close()
    rmSync(dir, { recursive: true })
  }
})
