import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readConfigFile } from './read-config-file.js'

async function fileWith(text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'read-config-file-test-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const path = join(dir, 'balancer.yaml')
  await writeFile(path, text)
  return path
}

describe('readConfigFile', () => {
  it('reads what is there, and no upstreams where the file has none', async () => {
    expect(readConfigFile(await fileWith('balancer: { port: 1 }'))).toEqual({
      balancer: { port: 1 },
      upstreams: [],
    })
  })

  it.each(['', '\n', '# nothing yet\n'])('refuses %j, which may be half of a file', async (text) => {
    const path = await fileWith(text)
    expect(() => readConfigFile(path)).toThrow(`--config ${path}: it is empty`)
  })
})
