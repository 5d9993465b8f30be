import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { repositoryRoot, startInstance } from '../harness/index.js'

/** All files below a folder, relative to it. */
const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))

it('an instance writes nothing but its compiled model', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'strays-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const folders = ['home', 'tmp', 'cache', 'work'].map((name) => join(dir, name))
  const [home, tmp, cache, work] = folders as [string, string, string, string]
  for (const folder of folders) mkdirSync(folder)
  await using instance = await startInstance({
    env: { HOME: home, TMPDIR: tmp, XDG_CACHE_HOME: cache },
    cwd: work,
  })
  const form = new FormData()
  form.set('audio', new Blob([readFileSync(`${repositoryRoot}examples/hello.wav`)]), 'hello.wav')
  expect((await fetch(`${instance.url}/asr`, { method: 'POST', body: form })).status).toBe(200)

  expect({ home: filesIn(home), tmp: filesIn(tmp), work: filesIn(work) }).toEqual({
    home: [],
    tmp: [],
    work: [],
  })
  expect([...new Set(filesIn(cache).map((path) => path.split('/')[0]))]).toEqual(['asr-cluster'])
})
